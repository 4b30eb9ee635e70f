//go:build linux

package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulsegate/pulsegate/bench"
	"github.com/pulsegate/pulsegate/filename"
)

// planOf makes the plan of a command line like "publish --producers 3".
func planOf(t *testing.T, line string) (bench.Plan, error) {
	t.Helper()
	args := strings.Fields(line)
	s := find(args[0])
	if s == nil {
		t.Fatalf("there is no scenario %s", args[0])
	}
	f := &Flags{}
	if err := s.FlagSet(f).Parse(args[1:]); err != nil {
		return bench.Plan{}, err
	}
	return s.Plan(f, "ws://localhost:8080")
}

// sessions describes what a plan opens.
func sessions(p *bench.Plan) string {
	var groups []string
	for _, g := range p.Groups {
		text := fmt.Sprintf("%d %s", g.Sessions, g.Name)
		if g.Kind == bench.Consumer {
			text += fmt.Sprintf(" %s/%d", g.Subscription, g.Subscriptions)
		}
		if q := g.Params.Encode(); q != "" {
			text += " " + q
		}
		groups = append(groups, text)
	}
	return strings.Join(groups, "; ")
}

func TestScenariosOpenWhatTheirFlagsSay(t *testing.T) {
	for line, want := range map[string]string{
		"idle":                            "1000 idle bench/1 subscriptionType=Shared",
		"idle --mode distinct":            "1000 idle bench/0",
		"idle --mode readers":             "1000 idle",
		"idle --mode producers":           "1000 idle",
		"publish --batching":              "50 producers batchingEnabled=true",
		"publish --batch-messages 5":      "50 producers",
		"publish --compression LZ4":       "50 producers compressionType=LZ4",
		"consume":                         "4 consumers bench/1 subscriptionType=Shared",
		"consume --backlog 9 --readers 1": "1 readers messageId=earliest; 4 consumers bench/1 subscriptionInitialPosition=Earliest&subscriptionType=Shared",
		"consume --consumers 0":           "",
		"e2e":                             "1 consumers bench/1 subscriptionType=Shared; 1 producers",
		"e2e --subscription-type Exclusive --consumers 2": "2 consumers bench/0 subscriptionType=Exclusive; 1 producers",
		"e2e --subscriptions 3 --slow 2":                  "1 consumers bench/3 subscriptionType=Shared; 2 slow consumers bench-slow/3 subscriptionType=Shared; 1 producers",
		"e2e --receiver-queue 5":                          "1 consumers bench/1 receiverQueueSize=5&subscriptionType=Shared; 1 producers",
		"fanout":                                          "1000 readers; 1 producers",
		"churn":                                           "1000 idle bench/1 subscriptionType=Shared",
		"mixed":                                           "1000 idle; 10 consumers bench/1 subscriptionType=Shared; 10 producers",
		"publish --batching --batch-messages 5 --batch-delay 20ms": "50 producers " +
			"batchingEnabled=true&batchingMaxMessages=5&batchingMaxPublishDelay=20",
	} {
		plan, err := planOf(t, line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if got := sessions(&plan); got != want {
			t.Errorf("%s: opens %s\nwant %s", line, got, want)
		}
	}
}

// Each scenario can be run as its help shows, with its defaults.
func TestExamplesAreTrue(t *testing.T) {
	for _, s := range All() {
		for _, line := range strings.Split(s.Example, "\n") {
			rest, ok := strings.CutPrefix(strings.TrimSpace(line), "pulsegate bench ")
			if !ok {
				t.Errorf("%s: %q is no example", s.Name, line)
				continue
			}
			if plan, err := planOf(t, rest); err != nil || len(plan.Groups) == 0 {
				t.Errorf("%s: %v, %d groups", line, err, len(plan.Groups))
			}
		}
	}
}

func TestTarget(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := planOf(t, "idle --param a=1 --param a=2 --param b= --source 127.0.0.2,127.0.0.3 --token-file "+token)
	if err != nil {
		t.Fatal(err)
	}
	target := plan.Target
	if target.Params.Encode() != "a=1&a=2&b=" || target.Token != "secret" || target.V1 || target.Namespace != "public/default" {
		t.Errorf("target %+v", target)
	}
	if len(plan.Sources) != 2 || plan.Sources[1].String() != "127.0.0.3" {
		t.Errorf("sources %v", plan.Sources)
	}
	if plan, err = planOf(t, "idle --api v1"); err != nil || !plan.Target.V1 || plan.Target.Namespace != "public/standalone/default" {
		t.Errorf("v1: %v, %+v", err, plan.Target)
	}
	other, err := planOf(t, "idle")
	if err != nil || other.TopicBase == "" || other.TopicBase == plan.TopicBase {
		t.Errorf("topics %s and %s of two runs, %v", other.TopicBase, plan.TopicBase, err)
	}
}

func TestPayloadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := planOf(t, "publish --payload-file "+path)
	if err != nil || plan.Message.File == nil || len(plan.Message.File) != 0 {
		t.Errorf("an empty file: %v, %v", plan.Message.File, err)
	}
}

func TestBadFlagsSayWhichTheyAre(t *testing.T) {
	const secret = "hunter2-in-the-place-of-the-path-of-its-file"
	for line, want := range map[string]string{
		"idle --mode odd":             "--mode odd",
		"idle --api v3":               "--api v3",
		"idle --param a":              "--param a",
		"idle --param =a":             "--param =a",
		"idle --source here":          "--source here",
		"idle --ca nowhere":           "--ca",
		"idle --token-file nowhere":   "--token-file",
		"idle --key " + secret:        "--key: " + filename.ErrNone.Error(),
		"idle --token-file " + secret: "--token-file: " + filename.ErrNone.Error(),
		"idle --sessions many":        "--sessions",
		"idle --rate 5":               "--rate",
		"publish --property a":        "--property a",
		"publish --keys -1":           "--keys -1",
		"publish --payload-file none": "--payload-file",
		"e2e --subscription-type odd": "--subscription-type odd",
		"e2e --subscriptions 0":       "--subscriptions 0",
		"churn --lifetime 0s":         "--lifetime",
	} {
		if _, err := planOf(t, line); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, want an error with %q", line, err, want)
		}
	}
	cert := filepath.Join(t.TempDir(), "cert")
	if err := os.WriteFile(cert, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := planOf(t, "idle --cert "+cert); err == nil || !strings.Contains(err.Error(), "--key") {
		t.Errorf("a certificate without its key: %v", err)
	}
}
