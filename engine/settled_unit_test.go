package engine

import (
	"errors"
	"testing"

	"scp_rdma/localfs"
	"scp_rdma/wire"
)

func TestSettledPath(t *testing.T) {
	for _, tt := range []struct {
		below, target string
		named         bool
		want          string
	}{
		{"photos/a/b", "2026", false, "photos/a/b"},
		{"f", ".", false, "f"},
		{"photos/a/b", "2026/new", true, "a/b"},
		{"f", "2026/new", true, "new"},
		{"f", "new", true, "new"},
	} {
		if got := settledPath(tt.below, tt.target, tt.named); got != tt.want {
			t.Errorf("%s in %s (%v): %s, want %s", tt.below, tt.target, tt.named, got, tt.want)
		}
	}
}

// A digest that nobody has asked for, or another one, breaks the protocol.
func TestOnlyTheDigestThatWasAskedForIsTaken(t *testing.T) {
	it := newItem(&localfs.Entry{ID: 1, Kind: localfs.KindFile}, false)
	for asked, told := range map[wire.SumKind]int{wire.SumNone: 16, wire.SumXXH128: 32, wire.SumSHA256: 16} {
		s := newSender(SendConfig{Digest: asked})
		if err := s.settled(it, HowWritten, make([]byte, told)); !errors.Is(err, ErrProtocol) {
			t.Errorf("digest %d, %d bytes: %v", asked, told, err)
		}
		if err := s.settled(it, HowWritten, nil); err != nil {
			t.Errorf("none: %v", err)
		}
	}
}
