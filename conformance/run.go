package conformance

import (
	"context"
	"fmt"
	"regexp"
	"sync"
)

// Parallel is how many cases run at once on one target.
const Parallel = 8

// Table is the whole suite, area by area.
func Table() []Area {
	return []Area{
		endpointCases(),
		producerJSONCases(),
		producerOptionCases(),
		producerSharingCases(),
		consumerPushCases(),
		consumerCommandCases(),
		windowCases(),
		redeliveryCases(),
		subscriptionTypeCases(),
		sharedFairnessCases(),
		readerCases(),
		multiTopicCases(),
		batchCases(),
		wireCases(),
		deflateCases(),
		limitCases(),
		statsCases(),
		exchangeCases(),
		encryptionCases(),
	}
}

// Select returns the areas with the cases whose ID matches, leaving out areas
// without any.
func Select(areas []Area, match *regexp.Regexp) []Area {
	var out []Area
	for _, a := range areas {
		kept := Area{Name: a.Name}
		for _, c := range a.Cases {
			if match == nil || match.MatchString(c.ID) {
				kept.Cases = append(kept.Cases, c)
			}
		}
		if len(kept.Cases) > 0 {
			out = append(out, kept)
		}
	}
	return out
}

// Run performs the cases of the areas on the target, Parallel at a time, and
// returns the outcome of each by its ID.
func Run(ctx context.Context, target *Target, areas []Area) map[string]Outcome {
	var (
		mu       sync.Mutex
		wg       sync.WaitGroup
		outcomes = make(map[string]Outcome)
		places   = make(chan struct{}, Parallel)
	)
	for _, c := range longestFirst(areas) {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			o := perform(ctx, target, c)
			mu.Lock()
			outcomes[c.ID] = o
			mu.Unlock()
		})
	}
	wg.Wait()
	return outcomes
}

// longestFirst puts the cases that wait for seconds by their nature in front,
// so that they do not run alone at the end.
func longestFirst(areas []Area) []Case {
	var slow, fast []Case
	for _, a := range areas {
		for _, c := range a.Cases {
			if c.Slow || c.Conf != nil {
				slow = append(slow, c)
			} else {
				fast = append(fast, c)
			}
		}
	}
	return append(slow, fast...)
}

func perform(ctx context.Context, target *Target, c Case) Outcome {
	if why := c.Skip[target.Kind]; why != "" {
		return Outcome{Skipped: why}
	}
	ep, err := target.endpoint(c.Conf)
	if err != nil {
		return Outcome{NotRun: fmt.Sprintf("starting %s: %v", target.Kind, err)}
	}
	return runCase(ctx, target, ep, c)
}

// Verdict judges the outcome of a case on a target: it returns "" if that is
// as the table says, else what is wrong.
func Verdict(kind Kind, c Case, o Outcome) string {
	switch {
	case o.Skipped != "":
		return ""
	case !o.Passed && o.Failure == "":
		return "the case did not run: " + o.NotRun
	case kind == Java && c.Better != "" && o.Passed:
		return "the Java proxy passes: the mark Better is wrong: " + c.Better
	case kind == Java && c.Better != "":
		return ""
	case kind == Broker && c.Worse != "" && o.Passed:
		return "pulsegate passes: the mark Worse is wrong: " + c.Worse
	case kind == Broker && c.Worse != "":
		return ""
	case !o.Passed:
		return o.Failure
	}
	return ""
}
