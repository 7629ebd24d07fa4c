package engine

import (
	"time"

	"scp_rdma/wire"
)

// passedOver says whether an entry is left as it is at the target, or left out there,
// because the client wants only some: none of it is touched then.
func (r *receiver) passedOver(e *wire.Entry, parent *inDir, name string) bool {
	if r.choose == 0 || e.Replaces != 0 {
		return false
	}
	there, ok, err := r.sink.Peek(parent.dir, name)
	if err != nil {
		return false // what is wrong is told when it is put
	}
	dir := e.Kind == wire.KindDir
	switch {
	case !ok:
		return r.choose&wire.ChooseThere != 0
	case dir:
		return false
	case r.choose&wire.ChooseMissing != 0:
		return true
	case r.choose&wire.ChooseOlder != 0 && e.Kind == wire.KindFile:
		mine, theirs := time.Unix(there.MtimeSec, int64(there.MtimeNsec)), time.Unix(e.MtimeSec, int64(e.MtimeNsec))
		return mine.Sub(theirs) > r.within
	}
	return false
}

// passOver answers for an entry that is passed over, and for all that is in it.
func (r *receiver) passOver(e *wire.Entry, parent *inDir) wire.Answer {
	r.totals.skipped.Add(1)
	r.totals.have.Add(uint64(e.Size))
	if r.fetch != nil {
		r.fetch.skippedBytes.Add(uint64(e.Size))
	}
	if e.Kind == wire.KindDir {
		r.addDir(&inDir{id: e.ID, parent: parent, passed: true})
	} else {
		r.childEnded(parent)
	}
	return wire.Answer{ID: e.ID, Action: wire.ActionSkip}
}
