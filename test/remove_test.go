package e2e

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Whatever ends a transfer whose sources are to go, they stay; the same command goes on, and
// then they go.
func TestAMoveThatBreaksOffRemovesNothing(t *testing.T) {
	small, large := []byte("small"), bytesOf(1, 24<<20)
	for name, kill := range map[string]func(t *testing.T, srv *server, c *process) bool{
		"the client is killed": func(t *testing.T, _ *server, c *process) bool { c.signal(t, unix.SIGKILL); return false },
		"the server is killed": func(t *testing.T, srv *server, _ *process) bool { srv.signal(t, unix.SIGKILL); return true },
		"it is interrupted":    func(t *testing.T, _ *server, c *process) bool { c.signal(t, unix.SIGINT); return false },
	} {
		t.Run(name, func(t *testing.T) {
			src, in := folder(t, nobody()), folder(t, nobody())
			write(t, filepath.Join(src, "a-small"), small)
			write(t, filepath.Join(src, "large"), large)
			srv := serve(t, nobody(), in)
			c := srv.client(t, nobody(), "--remove-source-files", "--checksum", "--retry-for", "0", "--limit", "8M", src+"/.", "in/")
			eventually(t, "the small file arrives, and a part of the large one", func() bool {
				return exists(filepath.Join(srv.dir, "in/a-small")) && len(hidden(t, srv.dir)) > 0
			})
			again := kill(t, srv, c)
			if code := c.wait(t); code == 0 {
				t.Fatalf("the client ended with 0: %s", c.out.String())
			}
			arrived(t, filepath.Join(src, "a-small"), small)
			arrived(t, filepath.Join(src, "large"), large)
			if again {
				srv.wait(t)
				srv = serve(t, nobody(), in)
			}
			srv.send(t, nobody(), "--remove-source-files", "--checksum", src+"/.", "in/").wants(t, 0)
			arrived(t, filepath.Join(srv.dir, "in/a-small"), small)
			arrived(t, filepath.Join(srv.dir, "in/large"), large)
			absent(t, filepath.Join(src, "a-small"))
			absent(t, filepath.Join(src, "large"))
			srv.stop(t)
		})
	}
}
