// Package usage makes what is wrong with a command line say what to write instead.
package usage

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pulsegate/pulsegate/config"
)

// Explain makes what is wrong with a command line say what to write instead,
// for root and all below it.
func Explain(root *cobra.Command) {
	root.SetFlagErrorFunc(flagError)
	explainArguments(root)
}

func explainArguments(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return argumentError(cmd, args, err)
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		explainArguments(sub)
	}
}

func argumentError(cmd *cobra.Command, args []string, err error) error {
	if !cmd.HasSubCommands() {
		return fmt.Errorf("%s: %w; the usage is: %s", cmd.CommandPath(), err, cmd.UseLine())
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return fmt.Errorf("%w; %s --help lists them", err, cmd.CommandPath())
}

// flagError words what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var noValue *pflag.ValueRequiredError
	var value *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		if near := nearFlag(cmd, unknown.GetSpecifiedName()); near != "" {
			return fmt.Errorf("%s: %w; did you mean --%s?", cmd.CommandPath(), err, near)
		}
		return fmt.Errorf("%s: %w; %s --help lists them", cmd.CommandPath(), err, cmd.CommandPath())
	case errors.As(err, &noValue):
		return fmt.Errorf("%s: %s needs a value: %s", cmd.CommandPath(), flagName(noValue.GetFlag()), noValue.GetFlag().Usage)
	case errors.As(err, &value):
		return fmt.Errorf("%s: %s %q: it must be %s", cmd.CommandPath(), flagName(value.GetFlag()), value.GetValue(), accepted(value.GetFlag(), value.Unwrap()))
	}
	return fmt.Errorf("%s: %w", cmd.CommandPath(), err)
}

func flagName(f *pflag.Flag) string {
	if f.Shorthand != "" {
		return "-" + f.Shorthand + ", --" + f.Name
	}
	return "--" + f.Name
}

// nearFlag is the flag of cmd that name most likely stands for, "" if none is close.
func nearFlag(cmd *cobra.Command, name string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return config.Nearest(name, names)
}

// accepted completes "it must be …" for the values of a flag, of which one failed with err.
func accepted(f *pflag.Flag, err error) string {
	switch f.Value.Type() {
	case "duration":
		return "a duration with its unit, such as 500ms, 30s or 5m"
	case "int", "int64", "uint", "uint64":
		return "a whole number"
	case "intSlice":
		return "whole numbers separated by commas"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	}
	return fmt.Sprintf("a %s (%v)", f.Value.Type(), err)
}
