//go:build slow

package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
)

// room fails the test unless the trees' file system has so many bytes free.
func room(t *testing.T, need int64) {
	t.Helper()
	if free := freeBytes(t, setting.base); free < need {
		t.Fatalf("%s has %d MiB free, this test needs %d MiB (TMPDIR may name another place)", setting.base, free>>20, need>>20)
	}
}

// freeBytes is the room on the file system of dir.
func freeBytes(t *testing.T, dir string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * st.Bsize
}

// drop removes what a step has made, for the next one to have room.
func drop(t *testing.T, path string) {
	t.Helper()
	must(t, tree.Remove(path))
}

func TestAFileOfManyGiBArrivesIdenticalWithAnyNumberOfStreams(t *testing.T) {
	const size = 4 << 30
	room(t, 2*size+512<<20)
	src := generate(t, root(), tree.Spec{Seed: 5, PlainOnly: true, Large: 1, LargeSize: size})
	srv := serve(t, root(), folder(t, root()))
	for _, streams := range []string{"1", "4", "16"} {
		t.Run("-j "+streams, func(t *testing.T) {
			copied(t, srv, root(), src, "in/", tree.Options{}, "-j", streams)
			drop(t, filepath.Join(srv.dir, "in"))
		})
	}
	srv.stop(t)
}

func TestAHardTreeOfOver50000FilesArrivesIdenticalWithAnyNumberOfStreams(t *testing.T) {
	room(t, 4<<30)
	src := generate(t, root(), tree.Spec{Seed: 6, Files: 52_000, Large: 2, LargeSize: 100 << 20, Unreadable: true})
	srv := serve(t, root(), folder(t, root()))
	for _, streams := range []string{"1", "4", "16"} {
		t.Run("-j "+streams, func(t *testing.T) {
			copied(t, srv, root(), src, "in/", tree.Options{}, "-j", streams)
			drop(t, filepath.Join(srv.dir, "in"))
		})
	}
	srv.stop(t)
}

func TestTheGoToolchainArrivesIdenticalWithAnyNumberOfStreams(t *testing.T) {
	src, err := filepath.EvalSymlinks(strings.TrimSpace(run(t, root(), "go", "env", "GOROOT").out))
	must(t, err)
	srv := serve(t, root(), folder(t, root()))
	for _, streams := range []string{"1", "4", "16"} {
		t.Run("-j "+streams, func(t *testing.T) {
			copied(t, srv, root(), src, "in/", tree.Options{}, "-j", streams)
			drop(t, filepath.Join(srv.dir, "in"))
		})
	}
	srv.stop(t)
}

// A file system in memory keeps about a KiB for each entry, twice here.
func TestMillionsOfEntriesArriveWholeInBoundedMemoryAndAtOnce(t *testing.T) {
	room(t, 2<<30)
	for name, many := range map[string]tree.Many{
		"a million files":                      {Files: 1_000_000},
		"a million hard links and directories": {Links: 500_000, Dirs: 500_000},
	} {
		t.Run(name, func(t *testing.T) {
			src := mkdir(t, filepath.Join(folder(t, root()), "many"))
			must(t, tree.ManyFiles(src, many))
			srv := serve(t, root(), folder(t, root()))
			serverPeak := peakMemory(t, srv.process)
			begin := time.Now()
			client := srv.client(t, root(), src, "")
			clientPeak := peakMemory(t, client)
			eventually(t, "the first file is there", func() bool { return anyFile(filepath.Join(srv.dir, "many")) })
			if first := time.Since(begin); first > 2*time.Second {
				t.Errorf("the first entry was there after %v", first)
			}
			eventuallyWithin(t, 20*time.Minute, "the transfer ends", client.ended)
			if code := client.wait(t); code != 0 {
				t.Errorf("exit code %d: %s", code, client.err.String())
			}
			t.Logf("%v\n%s", time.Since(begin), client.out.String())
			bounded(t, serverPeak(), clientPeak())
			same(t, src, filepath.Join(srv.dir, "many"), tree.Options{})
			srv.stop(t)
		})
	}
}

// eventuallyWithin is eventually for what takes long.
func eventuallyWithin(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// anyFile says whether there is an entry two levels below dir.
func anyFile(dir string) bool {
	found := errors.New("found")
	return errors.Is(filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.Count(strings.TrimPrefix(path, dir), "/") == 2 {
			return found
		}
		return err
	}), found)
}

// medians runs two ways of the same work five times in turn and gives the
// median time of each. reset removes what the last run made.
func medians(t *testing.T, reset func(), a, b func() time.Duration) (time.Duration, time.Duration) {
	t.Helper()
	const runs = 5
	var as, bs []time.Duration
	for range runs {
		reset()
		as = append(as, a())
		reset()
		bs = append(bs, b())
	}
	reset()
	slices.Sort(as)
	slices.Sort(bs)
	t.Logf("%d CPUs; first: %v; second: %v", runtime.NumCPU(), as, bs)
	return as[runs/2], bs[runs/2]
}

// against measures the program against cp, tmpfs to tmpfs.
func against(t *testing.T, src string, limit float64, cp ...string) {
	t.Helper()
	srv := serve(t, root(), folder(t, root()))
	other := folder(t, root())
	ours := func() time.Duration {
		begin := time.Now()
		r := srv.send(t, root(), src, "in/")
		took := time.Since(begin)
		r.wants(t, 0)
		return took
	}
	theirs := func() time.Duration {
		must(t, os.Mkdir(filepath.Join(other, "in"), 0o755))
		r := run(t, root(), "cp", append(cp, src, filepath.Join(other, "in")+"/")...)
		r.wants(t, 0)
		return r.took
	}
	mine, cps := medians(t, func() { drop(t, filepath.Join(srv.dir, "in")); drop(t, filepath.Join(other, "in")) }, ours, theirs)
	factor := mine.Seconds() / cps.Seconds()
	t.Logf("median of 5: scp_rdma %v, cp %v: factor %.2f (limit %.2f)", mine, cps, factor, limit)
	if factor > limit {
		t.Errorf("scp_rdma takes %.2f times the time of cp, more than %.2f", factor, limit)
	}
}

func TestALargeFileTakesNoMoreThan1Point3TimesTheTimeOfCp(t *testing.T) {
	const size = 4 << 30
	room(t, 2*size+512<<20)
	src := generate(t, root(), tree.Spec{Seed: 7, PlainOnly: true, Large: 1, LargeSize: size})
	against(t, filepath.Join(src, "large/large0.bin"), 1.3)
}

func TestManySmallFilesTakeNoMoreThanTwiceTheTimeOfCp(t *testing.T) {
	room(t, 2<<30)
	src := mkdir(t, filepath.Join(folder(t, root()), "small"))
	for d := range 100 {
		dir := mkdir(t, filepath.Join(src, string(rune('a'+d/10))+string(rune('a'+d%10))))
		for f := range 500 {
			must(t, os.WriteFile(filepath.Join(dir, "file"+string(rune('a'+f/20))+string(rune('a'+f%20))), bytesOf(uint64(f), 4096), 0o644))
		}
	}
	against(t, src, 2, "-r")
}
