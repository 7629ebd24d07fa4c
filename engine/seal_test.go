package engine

import (
	"bytes"
	"errors"
	"testing"

	"scp_rdma/wire"
)

// sealed is a frame of data as it leaves, in memory of its own.
func sealed(t *testing.T, f *frameSeal, frame uint64, head, data []byte) []byte {
	t.Helper()
	space := make([]byte, len(data)+wire.TagSize)
	copy(space, data)
	if err := f.seal(frame, head, space, len(data)); err != nil {
		t.Fatal(err)
	}
	return space
}

func TestASealedFrameOpensAsItWasAndNoOther(t *testing.T) {
	secret, head, data := bytes.Repeat([]byte{7}, 32), []byte("head"), []byte("what no one else shall read")
	seal := func() []byte { return sealed(t, newFrameSeal(secret, 3, 4), 5, head, data) }
	if bytes.Contains(seal(), data[:8]) {
		t.Fatal("it can be read")
	}
	got, err := newFrameSeal(secret, 3, 4).open(5, head, seal())
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("opened: %q, %v", got, err)
	}
	for bit := range len(seal()) * 8 {
		bad := seal()
		bad[bit/8] ^= 1 << (bit % 8)
		if _, err := newFrameSeal(secret, 3, 4).open(5, head, bad); !errors.Is(err, ErrForged) {
			t.Fatalf("with bit %d changed: %v", bit, err)
		}
	}
	other := append([]byte(nil), secret...)
	other[31]++
	for name, try := range map[string]func() error{
		"another head":   func() error { _, err := newFrameSeal(secret, 3, 4).open(5, []byte("heae"), seal()); return err },
		"another frame":  func() error { _, err := newFrameSeal(secret, 3, 4).open(6, head, seal()); return err },
		"another stream": func() error { _, err := newFrameSeal(secret, 2, 4).open(5, head, seal()); return err },
		"another epoch":  func() error { _, err := newFrameSeal(secret, 3, 5).open(5, head, seal()); return err },
		"another secret": func() error { _, err := newFrameSeal(other, 3, 4).open(5, head, seal()); return err },
		"cut short":      func() error { _, err := newFrameSeal(secret, 3, 4).open(5, head, seal()[:20]); return err },
		"no tag at all":  func() error { _, err := newFrameSeal(secret, 3, 4).open(5, head, nil); return err },
	} {
		if err := try(); !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A stream that is opened a thousand times, with frames on both sides of where the key
// changes, seals none under a key and nonce that were there before.
func TestNoKeyAndNonceComesTwice(t *testing.T) {
	type used struct {
		key   [frameKeySize]byte
		nonce [12]byte
	}
	seen := map[used]bool{}
	secret := bytes.Repeat([]byte{1}, 32)
	for stream := range uint32(4) {
		for epoch := range uint32(1000) {
			f := newFrameSeal(secret, stream, epoch)
			for _, frame := range []uint64{0, 1, 2, framesPerKey - 1, framesPerKey, framesPerKey + 1, 7 * framesPerKey} {
				sealed(t, f, frame, nil, []byte("x"))
				key, err := frameKey(secret, stream, epoch, f.block)
				if err != nil {
					t.Fatal(err)
				}
				u := used{[frameKeySize]byte(key), f.nonce}
				if seen[u] {
					t.Fatalf("stream %d, epoch %d, frame %d: key and nonce were there before", stream, epoch, frame)
				}
				seen[u] = true
			}
		}
	}
	keys := map[[frameKeySize]byte]bool{}
	for u := range seen {
		keys[u.key] = true
	}
	if want := 4 * 1000 * 3; len(keys) != want {
		t.Errorf("%d keys, want %d", len(keys), want)
	}
}

// Whatever a transport says, one that gives a frame number again seals nothing with it.
func TestAFrameNumberIsSealedOnce(t *testing.T) {
	f := newFrameSeal(bytes.Repeat([]byte{1}, 32), 0, 0)
	sealed(t, f, 5, nil, []byte("x"))
	for _, again := range []uint64{5, 4, 0} {
		if err := f.seal(again, nil, make([]byte, 17), 1); !errors.Is(err, errNonce) {
			t.Errorf("frame %d after 5: %v", again, err)
		}
	}
	sealed(t, f, 6, nil, []byte("x"))
}

func TestAKeyIsChangedLongBeforeItIsWornOut(t *testing.T) {
	const blocks = framesPerKey * (16 << 20 / 16)
	if blocks > 1<<40 {
		t.Errorf("a key seals 2^40 blocks at most, not %d", blocks)
	}
}

func BenchmarkSeal(b *testing.B) {
	f := newFrameSeal(make([]byte, 32), 0, 0)
	space := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	for i := range b.N {
		if err := f.seal(uint64(i), nil, space, 1<<20-sealStep); err != nil {
			b.Fatal(err)
		}
	}
}
