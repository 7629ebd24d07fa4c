package hostile

import (
	"context"
	"errors"
	"fmt"
	"math"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// Attack is one way to do harm.
type Attack struct {
	Name string
	run  func(*session) error
	open wire.Open
}

// Run carries an attack out. An error means that the server did not behave: it hung, or
// let something pass that it has to refuse.
func (p *Peer) Run(ctx context.Context, a Attack) error {
	ctx, cancel := context.WithTimeout(ctx, p.patience())
	defer cancel()
	open := a.open
	s, err := p.begin(ctx, &open)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	defer s.end()
	if err := a.run(s); err != nil && !errors.Is(err, errOver) {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return nil
}

func file(id, parent uint64, name string, size int64) wire.Entry {
	return wire.Entry{ID: id, Parent: parent, Kind: wire.KindFile, Name: []byte(name), Size: size, Mode: 0o644}
}

func dir(id, parent uint64, name string) wire.Entry {
	return wire.Entry{ID: id, Parent: parent, Kind: wire.KindDir, Name: []byte(name), Mode: 0o777}
}

func link(id, parent uint64, name, text string) wire.Entry {
	return wire.Entry{ID: id, Parent: parent, Kind: wire.KindSymlink, Name: []byte(name), Link: []byte(text), Mode: 0o777}
}

func entries(list ...wire.Entry) *wire.Entries { return &wire.Entries{List: list} }

func whole(unit, entry uint64, size uint32) wire.FrameHead {
	return wire.FrameHead{Unit: unit, DataLen: size, Chunks: []wire.Chunk{{Entry: entry, Length: size, Flags: wire.ChunkSeal}}}
}

// outside are ways to lead out of a directory. $OUT is what lies beside it.
func outside() []string { return []string{"..", "../outside", "/", "../..", "../outside/file"} }

// Attacks are all of them.
func Attacks() []Attack {
	contents := wire.Open{Contents: true}
	list := []Attack{
		{"CVE-2026-53785, names that lead out", namesOut, contents},
		{"CVE-2024-12087, 12747, files through a symlink of its own", throughLink, contents},
		{"a directory in place of its symlink", linkThenDir, contents},
		{"CVE-2018-20685, attributes of the target itself", targetItself, contents},
		{"CVE-2022-29154, frames of entries that nobody announced", unknownEntries, contents},
		{"duplicate frames and units", duplicates, contents},
		{"a second and third life for an entry", lives, contents},
		{"writes after a fence", afterFence, contents},
		{"ReDMArk, heads that change while they are read", rewritten, contents},
		{"CVE-2026-53792, 53794, streams of no length or out of range", streamsOut, contents},
		{"messages of the other side", otherSide, contents},
		{"done before anything is", doneEarly, contents},
		{"done twice", doneTwice, contents},
		{"CVE-2026-70456, 70461, counts that are one too many", counts, contents},
		{"CVE-2026-70453, entries without end", endless, contents},
		{"CVE-2026-70455, deep without end", deep, contents},
	}
	for name, c := range badStreams() {
		list = append(list, Attack{"a stream with " + name, func(s *session) error { return badStream(s, c) }, contents})
	}
	for name, h := range badHeads() {
		list = append(list, Attack{"a frame with " + name, func(s *session) error { return badHead(s, h) }, contents})
	}
	for _, path := range []string{"../outside/x", "/../outside/", "a/../../outside", "..", "."} {
		list = append(list, Attack{fmt.Sprintf("the target %q", path), func(s *session) error {
			return s.say(entries(file(1, 0, "f", 1)))
		}, wire.Open{Path: []byte(path), Tops: 1}})
	}
	return list
}

func namesOut(s *session) error {
	for i, name := range append(outside(), "a/b", "", ".", "\x00", "x\x00y", ".scp_rdma.1.part") {
		// A name that can't be said ends the session: then there is nothing more to do.
		if err := s.say(entries(file(uint64(i+1), 0, name, 1))); err != nil {
			return err
		}
	}
	return s.refused()
}

func throughLink(s *session) error {
	id := uint64(0)
	for _, text := range outside() {
		id += 3
		err := s.say(entries(link(id, 0, fmt.Sprint("l", id), text), dir(id+1, 0, fmt.Sprint("l", id)), file(id+2, id+1, "file", 4)))
		if err != nil {
			return err
		}
		if err := s.answered(id + 2); err != nil {
			return err
		}
	}
	if err := s.open(); err != nil {
		return err
	}
	for unit := uint64(1); unit <= uint64(len(outside())); unit++ {
		if err := s.frame(whole(unit, unit*3+2, 4), nil); err != nil {
			return err
		}
	}
	return s.stream.Flush(s.ctx)
}

func linkThenDir(s *session) error {
	if err := s.say(entries(dir(1, 0, "d"), link(2, 0, "d", "../outside"), file(3, 1, "file", 4))); err != nil {
		return err
	}
	if err := s.answered(3); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	if err := s.frame(whole(1, 3, 4), nil); err != nil {
		return err
	}
	return s.stream.Flush(s.ctx)
}

// targetItself: scp's CVE-2018-20685, an entry that is the target.
func targetItself(s *session) error {
	for i, name := range []string{".", ""} {
		if err := s.say(entries(wire.Entry{ID: uint64(i + 1), Kind: wire.KindDir, Name: []byte(name), Mode: 0})); err != nil {
			return err
		}
	}
	if err := s.say(entries(wire.Entry{ID: 9, Kind: wire.KindDirEnd})); err != nil {
		return err
	}
	return s.refused()
}

func unknownEntries(s *session) error {
	if err := s.open(); err != nil {
		return err
	}
	for unit, entry := range []uint64{0, 1, 7, 1 << 40, math.MaxUint64} {
		if err := s.frame(whole(uint64(unit+1), entry, 100), nil); err != nil {
			return err
		}
	}
	return s.stream.Flush(s.ctx) // they are dropped, and their credits come back
}

func duplicates(s *session) error {
	if err := s.say(entries(file(1, 0, "twice", 4))); err != nil {
		return err
	}
	if err := s.answered(1); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	for range 3 * slots {
		if err := s.frame(whole(1, 1, 4), nil); err != nil {
			return err
		}
	}
	return s.stream.Flush(s.ctx)
}

func lives(s *session) error {
	again := file(2, 0, "f", 4)
	again.Replaces = 1
	other := file(3, 0, "f", 8)
	other.Replaces = 1
	if err := s.say(entries(file(1, 0, "f", 4), again, other), &wire.Abort{IDs: []uint64{1, 2, 3, 99}}, &wire.Same{IDs: []uint64{1, 2, 99}}); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	for unit := range uint64(4) {
		if err := s.frame(whole(unit, unit, 4), nil); err != nil {
			return err
		}
	}
	return s.stream.Flush(s.ctx)
}

// afterFence: what is sent on a stream that is to end is not written any more.
func afterFence(s *session) error {
	if err := s.say(entries(file(1, 0, "late", 4))); err != nil {
		return err
	}
	if err := s.answered(1); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	if err := s.say(&wire.Fence{Stream: 0, Epoch: 0}); err != nil {
		return err
	}
	if err := s.await(func(m wire.Message) bool { _, ok := m.(*wire.Fenced); return ok }); err != nil {
		return err
	}
	for range 2 * slots {
		if err := s.frame(whole(1, 1, 4), nil); err != nil {
			return nil // the stream has ended
		}
	}
	// Its end is heard of late: a credit for more than lies in the slots is none.
	ctx, cancel := context.WithTimeout(s.ctx, frameTime)
	defer cancel()
	if err := s.stream.Flush(ctx); err == nil {
		return errors.New("frames after the fence were taken")
	}
	return nil
}

// rewritten: the slot's head changes after it was sent, into one that writes elsewhere.
func rewritten(s *session) error {
	const size = 16 << 10
	for id := uint64(1); id <= 50; id++ {
		if err := s.say(entries(file(id, 0, fmt.Sprint("r", id), size))); err != nil {
			return err
		}
	}
	if err := s.answered(50); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	for unit := uint64(1); unit <= 50; unit++ {
		err := s.frame(whole(unit, unit, size), func(slot *transport.Slot) {
			bad := wire.FrameHead{Unit: unit, DataLen: size, Chunks: []wire.Chunk{{Entry: unit, Offset: 1 << 62, Length: size}}}
			for range 200 {
				bad.Append(slot.Head()[:0])
			}
		})
		if err != nil {
			return err // one that was read half is no frame: the session ends
		}
	}
	return nil
}

func streamsOut(s *session) error {
	name, mine, theirs := s.p.Transport.Name(), s.mine[0].Name, s.peer[0].Name
	for _, m := range []wire.StreamOpen{
		{Transport: "none", Local: mine, Peer: theirs, Slots: 1, SlotSize: 4096},
		{Transport: name, Local: "none", Peer: theirs, Slots: 1, SlotSize: 4096},
		{Transport: name, Local: mine, Peer: "none", Slots: 1, SlotSize: 4096},
		{Stream: math.MaxUint32, Transport: name, Local: mine, Peer: theirs, Slots: 1, SlotSize: 4096},
		{Transport: name, Local: mine, Peer: theirs, Slots: 1024, SlotSize: 16 << 20},
		{Transport: name, Local: mine, Peer: theirs, Slots: math.MaxUint32, SlotSize: math.MaxUint32},
		{Transport: name, Local: mine, Peer: theirs, Slots: 1, SlotSize: 5000},
		{Transport: name, Local: mine, Peer: theirs, Slots: 0, SlotSize: 0},
		{Transport: name, Local: mine, Peer: theirs, Slots: 1, SlotSize: 4096, Offer: make([]byte, 1000)},
	} {
		if err := s.say(&m); err != nil {
			return err
		}
		var ready *wire.StreamReady
		err := s.await(func(m wire.Message) bool { r, ok := m.(*wire.StreamReady); ready = r; return ok })
		if err != nil {
			return err
		}
		if ready.Error == "" && len(m.Offer) == 0 {
			return fmt.Errorf("a stream was opened: %+v", m)
		}
	}
	// Fences of what is not there are answered, but not without end.
	for i := range uint32(2000) {
		if err := s.say(&wire.Fence{Stream: i, Epoch: i}); err != nil {
			return err
		}
	}
	return nil
}

func otherSide(s *session) error {
	if err := s.say(&wire.Answers{List: []wire.Answer{{ID: 1, Action: wire.ActionNeed}}}); err != nil {
		return err
	}
	return s.refused()
}

func doneEarly(s *session) error {
	if err := s.say(entries(dir(1, 0, "open"), file(2, 1, "f", 10)), &wire.Done{}); err != nil {
		return err
	}
	return s.refused()
}

func doneTwice(s *session) error {
	if err := s.say(&wire.Done{}, &wire.Done{}); err != nil {
		return err
	}
	return s.refused()
}
