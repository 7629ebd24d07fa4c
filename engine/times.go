package engine

import "time"

// Times is where the time of a transfer went.
type Times struct {
	Sender, Receiver Spent
	Admitting        time.Duration // the receiver: for how long it answered for entries, one after the other
	RTT              time.Duration // the shortest round trip; 0: nobody knows
	Window           uint64        // bytes of all slots: so much can be under way
}

// add counts an earlier session in.
func (t *Times) add(o *Times) {
	t.Sender.add(&o.Sender)
	t.Receiver.add(&o.Receiver)
	t.Admitting += o.Admitting
}

// Cause is what a transfer waits for.
type Cause uint8

// What it may be. CauseUnclear is no one of them more than others.
const (
	CauseUnclear  Cause = iota
	CauseJoin           // streams that come late, or break
	CauseWalk           // the source's directories are not read faster
	CauseSource         // the source's files are not read faster
	CauseSender         // the sender's CPU: sums, encryption
	CauseWay            // the way between takes no more
	CauseReceiver       // the receiver's CPU
	CauseDisk           // the receiver's files are not written faster
	CauseFiles          // the receiver makes no more files
	CauseLimit          // a limit of the rate
	numCauses
)

// Shares is which part of the time everyone waited for what: 1 is all of it. The rest of
// what is less than 1 together nobody knows.
type Shares [numCauses]float64

const (
	// most: what has so much of the time is the cause,
	most = 0.4
	// more: if it has so many times as much as the next. With less, to mend it gains
	// little before the other counts.
	more = 1.4
)

// Shares splits the sender's time by what it waited for. Of what it waited for the receiver,
// that knows the reason: it is what its own workers did meanwhile. Where these waited for
// frames all was on the way, or with nothing under way the receiver answered for entries.
func (t *Times) Shares() Shares {
	var s Shares
	all := float64(t.Sender.Sum())
	if all <= 0 {
		return s
	}
	of := func(d Doing) float64 { return max(float64(t.Sender[d]), 0) / all }
	s[CauseJoin], s[CauseWalk], s[CauseSource] = of(DoingJoin), of(DoingWalk), of(DoingRead)
	s[CauseSender], s[CauseWay], s[CauseLimit] = of(DoingSum), of(DoingSend), of(DoingLimit)
	there := [...]struct {
		d    Doing
		c    Cause
		part float64
	}{{DoingFrames, CauseWay, 0}, {DoingWrite, CauseDisk, 0}, {DoingFiles, CauseFiles, 0}, {DoingSum, CauseReceiver, 0}, {DoingLimit, CauseLimit, 0}}
	var sum float64
	for i := range there {
		there[i].part = max(float64(t.Receiver[there[i].d]), 0)
		sum += there[i].part
	}
	if sum <= 0 {
		s[CauseFiles] = of(DoingAnswers)
		return s
	}
	for _, p := range there {
		s[p.c] += of(DoingCredits) * p.part / sum
		if p.d == DoingFrames {
			p.c = CauseFiles
		}
		s[p.c] += of(DoingAnswers) * p.part / sum
	}
	return s
}

// Cause is what has by far the largest share.
func (s *Shares) Cause() Cause {
	var first, second Cause // CauseUnclear has none
	for c := range numCauses {
		switch {
		case s[c] > s[first]:
			first, second = c, first
		case s[c] > s[second]:
			second = c
		}
	}
	if s[first] < most || s[first] < more*s[second] {
		return CauseUnclear
	}
	return first
}
