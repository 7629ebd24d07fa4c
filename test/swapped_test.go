package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/test/hostile"
)

// swapper puts a symlink in the place of what is there and takes it away again, as fast as
// it can, until the test ends it. swaps says how often.
func swapper(path, text string) (end func() (swaps int)) {
	stop := make(chan struct{})
	var n int
	var work sync.WaitGroup
	work.Go(func() {
		link := path + ".swapped"
		for {
			select {
			case <-stop:
				return
			default:
			}
			if !exists(link) {
				_ = os.Symlink(text, link) // a transfer may have put something there
			}
			if unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE) == nil {
				n++
			}
		}
	})
	return sync.OnceValue(func() int { close(stop); work.Wait(); return n })
}

// Another process of the server's user swaps directories and files of the destination
// with symlinks that lead out, all the time. Landlock is off: what holds is the server's own.
func TestWhatIsSwappedForASymlinkMeanwhileLeadsNowhere(t *testing.T) {
	parent := folder(t, nobody())
	w, err := hostile.NewWitness(parent, int(nobody().uid))
	must(t, err)
	srv := serve(t, nobody(), filepath.Join(parent, "in"), "--no-landlock")
	src := folder(t, nobody())
	for i := range 40 {
		write(t, mkdir2(t, src, "d/sub", fmt.Sprint("f", i)), bytesOf(uint64(i), 100*i))
	}
	write(t, filepath.Join(src, "d", "file"), bytesOf(1, 500))
	write(t, filepath.Join(src, "d", "large"), bytesOf(2, 9<<20))
	must(t, os.Symlink("sub", filepath.Join(src, "d", "link")))
	must(t, os.Link(filepath.Join(src, "d", "file"), filepath.Join(src, "d", "hard")))
	must(t, os.Chmod(filepath.Join(src, "d", "sub"), 0o705))
	srv.send(t, nobody(), src+"/.", "path/to/").wants(t, 0)
	to := filepath.Join(srv.dir, "path/to")
	ended := map[int]int{}
	// One at a time: a swapper that is led out by another would do harm itself.
	for path, text := range map[string]string{
		filepath.Join(srv.dir, "path"): "../outside", to: "../../outside", filepath.Join(to, "d"): "../../../outside",
		filepath.Join(to, "d/sub"): "../../../../outside/sub", filepath.Join(to, "d/file"): "../../../../outside/file",
	} {
		end := swapper(path, text)
		t.Cleanup(func() { end() })
		for range 8 {
			// It may well not succeed; what it must not do is follow.
			ended[srv.send(t, nobody(), "--ignore-times", "--retry-for", "0", src+"/.", "path/to/").code]++
			if changed, err := w.Changed(); err != nil || changed != "" {
				t.Fatalf("%s: outside: %v %s", path, err, changed)
			}
		}
		if n := end(); n < 100 {
			t.Errorf("%s: only %d swaps", path, n)
		}
		if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSymlink != 0 {
			must(t, unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, path+".swapped", unix.RENAME_EXCHANGE))
		}
		must(t, os.RemoveAll(path+".swapped"))
	}
	t.Logf("exit codes: %v", ended)
	srv.stillServes(t)
	srv.stop(t)
}

// mkdir2 makes a directory below base and gives the path of a name in it.
func mkdir2(t *testing.T, base, dir, name string) string {
	t.Helper()
	return filepath.Join(mkdirs(t, filepath.Join(base, dir)), name)
}
