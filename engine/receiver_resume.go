package engine

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// consider decides what is wanted of a file, and whether there may be so much. An answer
// without an action comes later.
func (r *receiver) consider(f *inFile) wire.Answer { return r.afforded(f, r.decide(f)) }

func (r *receiver) decide(f *inFile) wire.Answer {
	need := wire.Answer{ID: f.id, Action: wire.ActionNeed}
	switch {
	case f.again:
		return need
	case f.outlet != nil:
		return r.considerOutlet(f)
	}
	found, there, err := r.sink.Look(f.put)
	if f.stream {
		return r.considerStream(f, found)
	}
	if err != nil {
		return need // what is wrong is wrong for putting it too, and is told then
	}
	times := there && r.sameTimes(f, &found)
	switch {
	case times && !r.suspect && r.sum == wire.SumNone:
		return r.skip(f, found)
	case times && !r.suspect:
		r.crew.aside(func(ctx context.Context) error { r.skipSummed(ctx, f, found); return nil })
		return wire.Answer{}
	}
	if a, ok := r.resume(f); ok {
		return a
	}
	if there && found.Size == f.put.Size && (times || r.how == wire.CompareContents) {
		r.crew.aside(func(ctx context.Context) error { r.digest(ctx, f, found); return nil })
		return wire.Answer{}
	}
	return need
}

// sameTimes says whether what is there may be taken for the file because of its size
// and time.
func (r *receiver) sameTimes(f *inFile, found *localfs.Found) bool {
	if r.how != wire.CompareTimes || f.young || found.Size != f.put.Size {
		return false
	}
	mine := time.Unix(found.MtimeSec, int64(found.MtimeNsec))
	theirs := time.Unix(f.put.Meta.MtimeSec, int64(f.put.Meta.MtimeNsec))
	return mine.Sub(theirs).Abs() <= r.within
}

// skip ends a file that is there already. It only gets its metadata.
func (r *receiver) skip(f *inFile, found localfs.Found) wire.Answer {
	err := r.sink.Settle(f.put, found)
	switch {
	case errors.Is(err, localfs.ErrChanged):
		return wire.Answer{ID: f.id, Action: wire.ActionNeed}
	case err != nil:
		r.stopIfFatal(err)
		r.totals.failed.Add(1)
		r.forget(f)
		return failed(f.id, err)
	}
	if r.vault != nil && f.put.Size >= keepFrom {
		r.sink.Forget(f.put)
	}
	r.totals.skipped.Add(1)
	r.totals.have.Add(uint64(f.put.Size))
	if r.fetch != nil {
		r.fetch.skippedBytes.Add(uint64(f.put.Size))
	}
	r.settledHere(f, HowThere)
	r.forget(f)
	return wire.Answer{ID: f.id, Action: wire.ActionSkip, Digest: r.digestOf(f)}
}

// digestPiece is what is read at once for a digest, bytes.
const digestPiece = 1 << 20

// digest sums what is there, for the sender to compare.
func (r *receiver) digest(ctx context.Context, f *inFile, found localfs.Found) {
	sum, err := r.sumFound(ctx, f, found)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil: // unreadable, or changing: it is replaced
		r.late(f, wire.Answer{ID: f.id, Action: wire.ActionNeed})
		return
	}
	f.mu.Lock()
	f.found = &found
	f.mu.Unlock()
	r.late(f, wire.Answer{ID: f.id, Action: wire.ActionCompare, Sum: sum})
}

// digestOf sums a file of so many bytes. One that has changed by then Is localfs.ErrChanged.
func digestOf(ctx context.Context, file localfs.SourceFile, size int64) ([]byte, error) {
	d := wire.NewDigest()
	if err := readAll(ctx, file, size, d.Add); err != nil {
		return nil, err
	}
	return d.Sum(), file.Verify()
}

// same: the sender has compared files and found them equal.
func (r *receiver) same(ids []uint64) error {
	for _, id := range ids {
		r.mu.Lock()
		f := r.files[id]
		r.mu.Unlock()
		if f == nil {
			continue
		}
		f.mu.Lock()
		found, closed := f.found, f.closed
		f.found = nil
		f.mu.Unlock()
		switch {
		case closed:
			continue
		case found == nil:
			return errNotCompared
		}
		a := r.skip(f, *found)
		r.out.answer(a)
		if a.Action != wire.ActionNeed {
			r.groupEnded(f)
		}
	}
	return nil
}

// late gives an answer that took its time, unless the file has ended meanwhile.
func (r *receiver) late(f *inFile, a wire.Answer) {
	f.mu.Lock()
	closed := f.closed
	f.mu.Unlock()
	if closed {
		return
	}
	r.out.answer(a)
	r.looksOnly(f, a)
}

// half is what was known of a half file when its ranges were told.
type half struct {
	id     localfs.FileID
	length int // of its journal
	head   wire.JournalHead
	sums   []wire.JournalRecord // kept only for --verify
}

// resume looks whether an earlier session left half of the file. false: it did not.
func (r *receiver) resume(f *inFile) (wire.Answer, bool) {
	if r.vault == nil || f.put.Size < keepFrom {
		return wire.Answer{}, false
	}
	file, raw, err := r.sink.OpenHalf(f.put)
	switch {
	case err == nil:
		return r.resumeFrom(f, file, raw)
	case errors.Is(err, localfs.ErrInUse):
		r.crew.apart(func(ctx context.Context) error { r.contested(ctx, f); return nil })
		return wire.Answer{}, true
	case !errors.Is(err, fs.ErrNotExist):
		r.log.Warn("half a file that is there is not gone on from", "path", r.pathOf(f), "error", err)
	}
	return wire.Answer{}, false
}

// resumeFrom takes up half a file, which it closes again until the first piece comes.
func (r *receiver) resumeFrom(f *inFile, file localfs.HalfFile, raw []byte) (wire.Answer, bool) {
	head, why := r.mayGoOn(f, file.ID(), raw)
	if why != "" {
		r.log.Warn("half a file that is there is discarded", "path", r.pathOf(f), "why", why)
		file.Discard()
		return wire.Answer{}, false
	}
	records, torn := wire.ParseJournal(raw, &head)
	if head.Boot != r.vault.boot {
		r.crew.aside(func(ctx context.Context) error {
			if a, ok := r.reread(ctx, f, file, records); ok {
				r.late(f, a)
			}
			return nil
		})
		return wire.Answer{}, true
	}
	defer file.Keep()
	if torn > 0 {
		raw = raw[:len(raw)-torn]
		if err := file.Truncate(int64(len(raw))); err != nil {
			r.log.Warn("half a file is discarded: its journal can't be written", "path", r.pathOf(f), "error", err)
			file.Discard()
			return wire.Answer{}, false
		}
	}
	return r.haveOf(f, file.ID(), len(raw), head, records), true
}

// mayGoOn says why a half file is not gone on from, "" if it is.
func (r *receiver) mayGoOn(f *inFile, id localfs.FileID, raw []byte) (wire.JournalHead, string) {
	head, err := wire.ParseJournalHead(raw)
	if err != nil {
		return head, err.Error()
	}
	if why := r.vault.fault(&f.put, &head, id); why != "" {
		return head, why
	}
	switch {
	case head.Sums:
	case r.verify:
		return head, "its journal has no checksums, and --verify needs them"
	case head.Boot != r.vault.boot:
		return head, "the host was started anew since, and its journal has no checksums"
	}
	return head, ""
}

// reread sees which of the ranges that the journal tells of are on the disk after the
// host was started anew, and begins a new journal of those.
func (r *receiver) reread(ctx context.Context, f *inFile, file localfs.HalfFile, records []wire.JournalRecord) (wire.Answer, bool) {
	defer file.Keep()
	var good []wire.JournalRecord
	buf := make([]byte, 0, digestPiece)
	for i := range records {
		if ctx.Err() != nil {
			return wire.Answer{}, false
		}
		if verified(file, &records[i], &buf) {
			good = append(good, records[i])
		}
	}
	r.log.Info("the host was started anew: half a file was read again", "path", r.pathOf(f), "ranges", len(records), "good", len(good))
	head := r.vault.head(&f.put, file.ID(), true)
	b := head.Append(nil)
	for i := range good {
		b = good[i].Append(b, &head)
	}
	err := file.Truncate(0)
	if err == nil {
		err = file.Note(b)
	}
	if err != nil || len(good) == 0 {
		file.Discard()
		return wire.Answer{ID: f.id, Action: wire.ActionNeed}, true
	}
	return r.haveOf(f, file.ID(), len(b), head, good), true
}

// verified says whether a range holds what its record says.
func verified(file localfs.HalfFile, rec *wire.JournalRecord, buf *[]byte) bool {
	if rec.Hole {
		start, _, err := file.NextData(rec.From)
		return err == nil && start >= rec.To
	}
	if rec.To-rec.From > transport.MaxSlotSize {
		return false
	}
	same, err := holds(file, rec, buf)
	return err == nil && same
}

// haveOf notes what is there of a file and makes the answer that says so. Something is
// always left to send, for the last piece carries the seal.
func (r *receiver) haveOf(f *inFile, id localfs.FileID, length int, head wire.JournalHead, records []wire.JournalRecord) wire.Answer {
	var have ranges
	for i := range records {
		have.add(records[i].From, records[i].To)
	}
	have.limit(f.put.Size, wire.MaxHave)
	h := &half{id: id, length: length, head: head}
	if r.verify {
		h.sums = records
	}
	a := wire.Answer{ID: f.id, Action: wire.ActionNeed}
	for _, s := range have.list {
		a.Have = append(a.Have, wire.Range{From: s.from, To: s.to})
		r.totals.have.Add(uint64(s.to - s.from))
	}
	if r.fetch != nil {
		r.fetch.resumes(a.Have)
	}
	f.mu.Lock()
	f.have, f.half = have, h
	f.mu.Unlock()
	return a
}

const (
	// contestWait is how long a file is waited for that another transfer is writing:
	// one that was killed lets go within that time.
	contestWait = 3 * time.Second
	// contestPause is how often it is looked whether it has.
	contestPause = 50 * time.Millisecond
)

// contested waits for a file that another transfer holds: for a moment, and for as
// long as that transfer is another of the same key from which nothing is heard, which
// a client's first try is that has come again.
func (r *receiver) contested(ctx context.Context, f *inFile) {
	tick := time.NewTicker(contestPause)
	defer tick.Stop()
	for begun := time.Now(); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		file, raw, err := r.sink.OpenHalf(f.put)
		switch {
		case err == nil:
			if a, ok := r.resumeFrom(f, file, raw); !ok {
				r.late(f, wire.Answer{ID: f.id, Action: wire.ActionNeed})
			} else if a.Action != 0 {
				r.late(f, a)
			}
			return
		case !errors.Is(err, localfs.ErrInUse):
			// It has its name now, or is gone: as if it came anew.
			if a := r.consider(f); a.Action != 0 {
				r.late(f, a)
				if ends(a) {
					r.groupEnded(f)
				}
			}
			return
		case time.Since(begun) > contestWait && !r.roster.silent(r):
			f.discard()
			res := r.end(f, err)
			r.out.result(nil, nil, []wire.Result{res})
			return
		}
	}
}
