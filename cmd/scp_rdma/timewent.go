package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"scp_rdma/engine"
)

const (
	// longEnough: of a shorter transfer most is its beginning and its end.
	longEnough = time.Second
	// worthNaming is the part of the time that is told of.
	worthNaming = 0.05
)

// timeWent says what held a transfer up, and what to change; nothing if that is not clear.
// costly are flags in force that cost time at the receiver.
func timeWent(r *engine.Report, fetched bool, costly []string) []string {
	shares := r.Times.Shares()
	cause := shares.Cause()
	if r.Elapsed < longEnough || cause == engine.CauseUnclear {
		return nil
	}
	var causes []engine.Cause
	for c := range shares {
		if shares[c] >= worthNaming {
			causes = append(causes, engine.Cause(c))
		}
	}
	slices.SortStableFunc(causes, func(a, b engine.Cause) int {
		if shares[a] > shares[b] {
			return -1
		}
		return 1
	})
	var parts []string
	for _, c := range causes {
		parts = append(parts, fmt.Sprintf("%.0f%% %s", 100*shares[c], causeWords(c, fetched)))
	}
	return []string{"where the time went: " + strings.Join(parts, ", "), "what would help: " + cure(cause, r, costly)}
}

// heldUp is the cause for programs; "" if it is not clear.
func heldUp(r *engine.Report) string {
	if r.Elapsed < longEnough {
		return ""
	}
	shares := r.Times.Shares()
	return causeWord(shares.Cause())
}

// causeWord names a cause for programs.
func causeWord(c engine.Cause) string {
	switch c {
	case engine.CauseJoin:
		return "streams"
	case engine.CauseWalk:
		return "walk"
	case engine.CauseSource:
		return "source"
	case engine.CauseSender:
		return "sender"
	case engine.CauseWay:
		return "network"
	case engine.CauseReceiver:
		return "receiver"
	case engine.CauseDisk:
		return "disk"
	case engine.CauseFiles:
		return "files"
	case engine.CauseLimit:
		return "limit"
	default: // not clear
		return ""
	}
}

// causeWords say what everyone waited for, and where that is.
func causeWords(c engine.Cause, fetched bool) string {
	from, to := "here", "at the server"
	if fetched {
		from, to = to, from
	}
	switch c {
	case engine.CauseJoin:
		return "opening streams"
	case engine.CauseWalk:
		return "looking for files " + from
	case engine.CauseSource:
		return "reading files " + from
	case engine.CauseSender:
		return "sums and encryption " + from
	case engine.CauseWay:
		return "the network between"
	case engine.CauseReceiver:
		return "sums and encryption " + to
	case engine.CauseDisk:
		return "writing files " + to
	case engine.CauseFiles:
		return "making files and naming them " + to
	default:
		return "held back by --limit"
	}
}

// cure is what to change.
func cure(c engine.Cause, r *engine.Report, costly []string) string {
	none := "neither more streams (-j) nor more rails (-d)"
	switch c {
	case engine.CauseJoin:
		return "streams came late or broke: the log tells why"
	case engine.CauseWalk:
		return none + ", but fewer and larger files: directories are not listed faster"
	case engine.CauseSource:
		return "a faster disk to read from; more streams (-j) where it takes many requests at once"
	case engine.CauseSender, engine.CauseReceiver:
		if r.Encrypted {
			return "more streams (-j) while cores are free; contents are encrypted, which takes CPU time"
		}
		return "more streams (-j) while cores are free; --no-checksum leaves sums to the transport"
	case engine.CauseWay:
		return cureWay(r)
	case engine.CauseDisk, engine.CauseFiles:
		text := none + ": the disk there writes no faster"
		if c == engine.CauseFiles {
			text = none + ", but fewer and larger files: the file system there makes no more"
		}
		if len(costly) > 0 {
			text += "; " + strings.Join(costly, " and ") + " took part of it"
		}
		return text
	default:
		return "a higher --limit, here or at the server"
	}
}

// cureWay tells a network that is full from one that is only long: there no more is under
// way in a round trip than fits the slots.
func cureWay(r *engine.Report) string {
	const full = 0.5
	t := &r.Times
	if t.RTT > 0 && t.Window > 0 {
		most := float64(t.Window) / t.RTT.Seconds()
		if float64(travelled(r))/r.Elapsed.Seconds() > full*most {
			return fmt.Sprintf("more streams (-j) or slots (--slots): a round trip takes %v, and no more than %s are under way",
				t.RTT.Round(time.Microsecond), size(t.Window))
		}
	}
	return "another rail (-d), if there is one: this way takes no more, and more streams (-j) hardly help"
}
