//go:build linux

package bench

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"

	"github.com/pulsegate/pulsegate/bench/frames"
)

// order is what the process that leads a run asks of one that has a share of it.
type order struct {
	Do    string // one of the do constants
	Start *startOrder
	Begin *beginning
	From  int64 // of a window
	To    int64 // of a window, or the end
	All   []published
}

// startOrder is the first one.
type startOrder struct {
	Plan  Plan
	Run   uint32
	Share share
}

const (
	doStart    = "start"
	doRamp     = "ramp"
	doWindow   = "window"
	doWatched  = "watched"
	doBegin    = "begin"
	doEnd      = "end"
	doReports  = "reports"
	doStanding = "standing"
	doUsage    = "usage"
	doFinish   = "finish"
	doLedger   = "ledger"
)

// answer is what such a process says. Which fields are set depends on the order.
type answer struct {
	Error    string
	Watched  watched
	Reports  []*report
	Standing standing
	Usage    usage
	Ending   ending
	Ledger   ledger
}

// ServeWorker serves a share of a run: it follows the orders that come in until
// they end, and answers each.
func ServeWorker(in io.Reader, out io.Writer) error {
	orders, answers := gob.NewDecoder(in), gob.NewEncoder(out)
	var f fleet
	defer func() {
		if f != nil {
			f.close()
		}
	}()
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		var a answer
		switch {
		case o.Do == doStart && f == nil:
			r, err := o.Start.open()
			if err != nil {
				a.Error = err.Error()
			} else {
				f = r
			}
		case f == nil || !a.follow(f, &o):
			a.Error = fmt.Sprintf("the order %q is not known, or out of its turn", o.Do)
		}
		if err := answers.Encode(&a); err != nil {
			return fmt.Errorf("answer an order: %w", err)
		}
	}
}

func (s *startOrder) open() (fleet, error) {
	if err := s.Plan.Target.resolve(context.Background()); err != nil {
		return nil, err
	}
	if err := checkDescriptors(&s.Plan); err != nil {
		return nil, err
	}
	template, err := frames.NewTemplate(s.Plan.Message)
	if err != nil {
		return nil, err
	}
	return newRun(&s.Plan, s.Run, template, wallClock(), s.Share)
}

// follow does what the order says. It reports false for one that it does not know.
func (a *answer) follow(f fleet, o *order) bool {
	switch o.Do {
	case doRamp:
		f.ramp()
	case doWindow:
		f.window(o.From, o.To)
	case doWatched:
		a.Watched = f.watched()
	case doBegin:
		f.begin(*o.Begin)
	case doEnd:
		f.end(o.To)
	case doReports:
		a.Reports = f.reports()
	case doStanding:
		a.Standing = f.standing()
	case doUsage:
		a.Usage = f.usage()
	case doFinish:
		a.Ending = f.finish()
	case doLedger:
		a.Ledger = f.ledger(o.All)
	default:
		return false
	}
	return true
}
