package engine

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// written is a StreamWriter that keeps what it gets.
type written struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *written) Write(_ context.Context, p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func openOutlet(t *testing.T, size int64) (*outlet, *written) {
	t.Helper()
	w := &written{}
	o, err := newOutlet(w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.ring.close)
	o.begin()
	if err := o.takes(&wire.Entry{ID: 1, Kind: wire.KindFile, Name: []byte("f"), Size: size}); err != nil {
		t.Fatal(err)
	}
	return o, w
}

func chunk(off, n int64) wire.Chunk {
	return wire.Chunk{Entry: 1, Offset: uint64(off), Length: uint32(n)}
}

// What a server may not do costs it the session, before a byte of it is kept.
func TestAnOutletRefusesWhatIsOutOfTurn(t *testing.T) {
	const win = wire.StreamWindow
	data := make([]byte, 100)
	for name, bad := range map[string]wire.Chunk{
		"beyond the window":      chunk(win+200-99, 100),
		"far beyond":             chunk(1<<40, 100),
		"again":                  chunk(0, 100),
		"half of it again":       chunk(150, 100),
		"what waits, once more":  chunk(1000, 100),
		"a hole":                 {Entry: 1, Offset: 300, Length: 1, Flags: wire.ChunkHole},
		"around what is waiting": chunk(950, 100),
	} {
		o, _ := openOutlet(t, 1<<41)
		for _, c := range []wire.Chunk{chunk(0, 100), chunk(100, 100), chunk(1000, 100)} {
			if err := o.put(t.Context(), c, data); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.put(t.Context(), bad, data); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The last byte of the window finds room only once the first was written.
func TestAnOutletWritesInOrderAndHoldsNoMoreThanItsWindow(t *testing.T) {
	const win, piece = wire.StreamWindow, 4 << 20
	o, w := openOutlet(t, win+piece)
	data := func(i byte) []byte { return bytes.Repeat([]byte{i}, piece) }
	for off := int64(win - piece); off > 0; off -= piece {
		if err := o.put(t.Context(), chunk(off, piece), data(byte(off/piece))); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.put(t.Context(), chunk(0, piece), data(0)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	last := wire.Chunk{Entry: 1, Offset: win, Length: piece, Flags: wire.ChunkSeal}
	if err := o.put(ctx, last, data(win/piece)); !errors.Is(err, context.Canceled) {
		t.Fatalf("a piece that has no room: %v", err)
	}
	wrote := make(chan error, 1)
	go func() { wrote <- o.write(t.Context()) }()
	if err := o.put(t.Context(), last, data(win/piece)); err != nil { // it comes again
		t.Fatal(err)
	}
	if err := <-wrote; err != nil || !o.complete() {
		t.Fatalf("%v, complete %v", err, o.complete())
	}
	for i := range w.buf.Len() / piece {
		if !bytes.Equal(w.buf.Bytes()[i*piece:(i+1)*piece], data(byte(i))) {
			t.Fatalf("piece %d is another", i)
		}
	}
	if w.buf.Len() != win+piece {
		t.Errorf("%d bytes", w.buf.Len())
	}
}

func TestAnOutletTakesTheOneFileAsItWas(t *testing.T) {
	o, _ := openOutlet(t, 1000)
	if err := o.takes(&wire.Entry{ID: 2, Kind: wire.KindFile, Name: []byte("g")}); !errors.Is(err, ErrUnasked) {
		t.Errorf("a second file: %v", err)
	}
	if err := o.put(t.Context(), chunk(0, 100), make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	wrote := make(chan error, 1)
	go func() { wrote <- o.write(ctx) }()
	for at := int64(0); at < 100; {
		o.mu.Lock()
		var changed <-chan struct{}
		at, changed = o.written, o.changed
		o.mu.Unlock()
		if at < 100 {
			<-changed
		}
	}
	cancel()
	<-wrote
	for name, e := range map[string]wire.Entry{
		"a directory": {Kind: wire.KindDir}, "a symlink": {Kind: wire.KindSymlink},
	} {
		o.begin()
		if err := o.takes(&e); !errors.Is(err, localfs.ErrUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, e := range map[string]wire.Entry{
		"another size": {Kind: wire.KindFile, Size: 999}, "another time": {Kind: wire.KindFile, Size: 1000, MtimeNsec: 1},
		"one that may have changed": {Kind: wire.KindFile, Size: 1000, Young: true},
	} {
		o.begin()
		if err := o.takes(&e); !errors.Is(err, localfs.ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o.begin()
	if err := o.takes(&wire.Entry{Kind: wire.KindFile, Size: 1000}); err != nil {
		t.Errorf("the same: %v", err)
	}
	if err := o.put(t.Context(), chunk(50, 100), make([]byte, 100)); !errors.Is(err, ErrProtocol) {
		t.Errorf("what was written already: %v", err)
	}
}

// Without a result there is room for the window, and for a byte more with each that has one,
// from the begin on and in whatever order they come.
func TestAStreamIsReadNoFurtherThanItsWindow(t *testing.T) {
	r, err := newRing()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	ctx, cancel := context.WithCancel(t.Context())
	o := newOrder(ctx)
	o.held = r
	fill := func() (read int64) {
		for o.limit() > o.read {
			p, err := o.room()
			if err != nil || len(p) == 0 || len(p) > streamRead {
				t.Fatalf("%d bytes of room: %v", len(p), err)
			}
			read = o.got(len(p), false)
		}
		return read
	}
	if read := fill(); read != wire.StreamWindow {
		t.Errorf("%d bytes are read without a result", read)
	}
	if limit := o.acknowledge(1000, 2000); limit != wire.StreamWindow {
		t.Errorf("with a gap at its begin it goes to %d", limit)
	}
	if o.acknowledge(0, 1000); fill() != wire.StreamWindow+2000 {
		t.Errorf("then %d bytes are read", o.read)
	}
	cancel()
	<-o.moved // of the results
	if _, err := o.room(); !errors.Is(err, context.Canceled) {
		t.Errorf("an entry that has ended: %v", err)
	}
}
