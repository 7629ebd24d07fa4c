//go:build rdma_siw || rdma_matrix || rdma_two

package transfer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	trees "scp_rdma/internal/tree"
)

// source is a tree with something of every size, and enough for each of two rails to carry of
// it, though one is joined later.
func source(t *testing.T) string {
	t.Helper()
	src := filepath.Join(t.TempDir(), "src")
	_, err := trees.Generate(src, trees.Spec{Seed: 51, Files: 300, PlainOnly: true, Large: 4, LargeSize: 9 << 20})
	check(t, err)
	return src
}

// devices are those of this guest.
func devices() []string { return strings.Fields(os.Getenv("RDMA_DEVICES")) }

// iwarp says whether they are of soft-iWARP.
func iwarp() bool { return os.Getenv("RDMA_TYPE") == "siw" }

// whole is a transfer's way of saying that it went over verbs, by every one of the
// rails, if there are more than one.
func whole(t *testing.T, code int, text string, rails ...string) {
	t.Helper()
	if code != 0 || !strings.Contains(text, "over verbs, ") {
		t.Fatalf("exit %d: %s", code, text)
	}
	carried := shares(t, text)
	for _, rail := range rails {
		if carried[rail] == 0 {
			t.Errorf("%s carried nothing: %s", rail, text)
		}
	}
}

// thereAndBack sends a tree with flags, fetches it, and compares.
func (s *server) thereAndBack(t *testing.T, src, to, name string, how []string, rails ...string) {
	t.Helper()
	code, text := s.send(t, append(how[:len(how):len(how)], "--rails", src, to+name+"/")...)
	whole(t, code, text, rails...)
	t.Logf("%v: %s", how, text)
	dst := t.TempDir()
	code, text = s.send(t, append(how[:len(how):len(how)], "--rails", to+name+"/src", dst)...)
	whole(t, code, text, rails...)
	t.Logf("%v, fetched: %s", how, text)
	alike(t, src, filepath.Join(dst, "src"), trees.Options{})
	check(t, os.RemoveAll(dst))
}
