package e2e

import (
	"bytes"
	"crypto/rand"
	"path/filepath"
	"testing"

	"scp_rdma/internal/testkit"
	"scp_rdma/internal/tree"
)

// marked is a file that is one marker again and again, and the marker: wherever a packet
// is cut, most of a large one holds it.
func marked(t *testing.T) (path string, marker []byte) {
	t.Helper()
	marker = make([]byte, 32)
	rand.Read(marker)
	path = filepath.Join(folder(t, nobody()), "marked")
	write(t, path, bytes.Repeat(marker, 4<<20/len(marker)))
	return path, marker
}

func TestOnTheWireEncryptedFilesCanNotBeRead(t *testing.T) {
	src, marker := marked(t)
	srv := serve(t, nobody(), folder(t, nobody()))
	for _, tt := range []struct {
		to    string
		flags []string
		seen  bool
	}{{"clear/", nil, true}, {"encrypted/", []string{"--encrypt"}, false}} {
		read := testkit.Tap(t)
		srv.send(t, nobody(), append(tt.flags, "--transport", "tcp", src, tt.to)...).wants(t, 0)
		var found, all int
		read(func(packet []byte) {
			all += len(packet)
			found += bytes.Count(packet, marker)
		})
		same(t, src, filepath.Join(srv.dir, tt.to, "marked"), tree.Options{})
		if all < 4<<20 {
			t.Errorf("%s the tap has seen only %d bytes", tt.to, all)
		}
		if (found > 0) != tt.seen {
			t.Errorf("%s the marker was seen %d times", tt.to, found)
		}
	}
	srv.stop(t)
}
