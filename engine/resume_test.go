package engine_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// stateful is a State that lasts as long as its test.
type stateful struct {
	secret  keys.Key
	mu      sync.Mutex
	writing map[string]bool
	suspect bool
	settled []string
}

func newStateful() *stateful { return &stateful{secret: keys.New(), writing: map[string]bool{}} }

func (m *stateful) Secret() keys.Key { return m.secret }

func (m *stateful) Begin(path, source string) (func(), error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing[path+source] = true
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.writing, path+source)
	}, nil
}

func (m *stateful) Suspect(string) bool { return m.suspect }

func (m *stateful) Settled(path, _ string) { m.settled = append(m.settled, path) }

// remembering gives a kit a state.
func remembering(m *stateful) func(*kit) { return func(k *kit) { k.state = m } }

// random is n bytes that no chunk has twice.
func random(n int) string {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(b)
	return string(b)
}

// old makes everything below dir a day old.
func old(t *testing.T, dir string) {
	t.Helper()
	then := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, then, then)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// breaking ends transfers after so many pieces were written to half files.
type breaking struct {
	engine.Sink
	after int64
	count atomic.Int64
	stop  func()
	over  chan struct{} // closed when the client has ended; no piece is written between
}

func (b *breaking) CreateHalf(p localfs.Put) (localfs.HalfFile, error) {
	h, err := b.Sink.CreateHalf(p)
	return &breakingHalf{h, b}, err
}

func (b *breaking) OpenHalf(p localfs.Put) (localfs.HalfFile, []byte, error) {
	h, raw, err := b.Sink.OpenHalf(p)
	return &breakingHalf{h, b}, raw, err
}

type breakingHalf struct {
	localfs.HalfFile
	b *breaking
}

func (h *breakingHalf) WriteAt(p []byte, off int64) error {
	if n := h.b.count.Add(1); n >= h.b.after {
		h.b.stop()
		<-h.b.over
	}
	return h.HalfFile.WriteAt(p, off)
}

// broken sends the contents of dir and interrupts that after so many pieces.
func (k *kit) broken(m *stateful, dir string, after int64) {
	k.t.Helper()
	k.brokenAt(m, contents(k.t, dir), after)
}

func (k *kit) brokenAt(m *stateful, src engine.Source, after int64, options ...func(*engine.SendConfig)) {
	k.t.Helper()
	ctx, cancel := context.WithCancel(k.t.Context())
	defer cancel()
	over := make(chan struct{})
	cut := start(k.t, remembering(m), into(k.dst), func(c *kit) {
		c.key, c.ring, c.purse = k.key, k.ring, k.purse
		c.left = true
		c.sink = func(s engine.Sink) engine.Sink {
			return &breaking{Sink: s, after: after, stop: cancel, over: over}
		}
	})
	if _, _, err := cut.pushCtx(ctx, src, options...); err == nil {
		k.t.Error("the transfer was not interrupted")
	}
	close(over)
	waitOn(k.t, cut.sessions)
}

// top opens dir as a source of itself.
func top(t *testing.T, dir string) *localfs.Source {
	t.Helper()
	src, err := localfs.OpenSource([]string{dir}, localfs.SourceOptions{})
	must(t, err)
	t.Cleanup(func() { _ = src.Close() })
	return src
}

func base(dir string) string { return filepath.Base(dir) }

// into has a kit put things into a directory that is there.
func into(dir string) func(*kit) { return func(k *kit) { k.dst = dir } }

// hidden lists what of ours lies below dir.
func hidden(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(path), ".scp_rdma.") {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestABrokenTransferGoesOnWhereItStopped(t *testing.T) {
	m := newStateful()
	k := start(t, remembering(m))
	dir := t.TempDir()
	const size = 48 << 20
	write(t, dir, map[string]string{"large": random(size), "small": "s", "more/empty": ""})
	old(t, dir)
	k.broken(m, dir, 30)
	if n := len(hidden(t, k.dst)); n != 2 {
		t.Fatalf("half a file and its journal should be there: %v", hidden(t, k.dst))
	}
	r, w, err := k.push(contents(t, dir))
	if err != nil || r.Failed > 0 || len(w.problems) > 0 {
		t.Fatalf("send: %v, %+v, %v", err, r, w.problems)
	}
	same(t, dir, k.dst)
	if r.Resumed < 20<<20 || r.Resumed >= size || r.Rails[0].Bytes > size-r.Resumed+1<<20 {
		t.Errorf("gone on from %d bytes, %d carried", r.Resumed, r.Rails[0].Bytes)
	}
	again, _, err := k.push(contents(t, dir))
	if err != nil || again.Skipped != 3 || again.Files != 0 || again.SkippedBytes != size+1 || again.Rails[0].Bytes != 0 {
		t.Errorf("a third time: %v, %+v", err, again)
	}
	if len(m.writing) > 0 {
		t.Errorf("sessions that are not over: %v", m.writing)
	}
}

// What is left of a transfer is believed only as it was left.
func TestHalfAFileThatWasTamperedWithIsNotGoneOnFrom(t *testing.T) {
	tests := map[string]func(t *testing.T, part, journal, src string, m *stateful){
		"another secret": func(_ *testing.T, _, _, _ string, m *stateful) { m.secret = keys.New() },
		"a source that changed": func(t *testing.T, _, _, src string, _ *stateful) {
			must(t, os.Chtimes(src, time.Now(), time.Now().Add(-time.Hour)))
		},
		"another file in its place": func(t *testing.T, part, _, _ string, _ *stateful) {
			must(t, os.Rename(part, part+"x"))
			b, err := os.ReadFile(part + "x")
			must(t, err)
			must(t, os.WriteFile(part, b, 0o600))
			must(t, os.Remove(part+"x"))
		},
		"a journal that was written to": func(t *testing.T, _, journal, _ string, _ *stateful) {
			f, err := os.OpenFile(journal, os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt([]byte{1}, 20)
			must(t, errors.Join(err, f.Close()))
		},
		"a mode that others can read": func(t *testing.T, part, _, _ string, _ *stateful) { must(t, os.Chmod(part, 0o644)) },
		"a journal others can write":  func(t *testing.T, _, journal, _ string, _ *stateful) { must(t, os.Chmod(journal, 0o666)) },
		"a second name":               func(t *testing.T, part, _, _ string, _ *stateful) { must(t, os.Link(part, part+"2")) },
		"another owner":               func(t *testing.T, part, _, _ string, _ *stateful) { must(t, os.Chown(part, 65534, -1)) },
		"a link in its place": func(t *testing.T, part, _, src string, _ *stateful) {
			must(t, errors.Join(os.Remove(part), os.Symlink(src, part)))
		},
		"a link in its journal's": func(t *testing.T, _, journal, src string, _ *stateful) {
			must(t, errors.Join(os.Remove(journal), os.Symlink(src, journal)))
		},
		"a fifo in its place": func(t *testing.T, part, _, _ string, _ *stateful) {
			must(t, errors.Join(os.Remove(part), syscall.Mkfifo(part, 0o600)))
		},
		"no journal": func(t *testing.T, _, journal, _ string, _ *stateful) { must(t, os.Remove(journal)) },
		"a directory in its place": func(t *testing.T, part, _, _ string, _ *stateful) {
			must(t, errors.Join(os.Remove(part), os.Mkdir(part, 0o700)))
		},
		"a directory as its journal": func(t *testing.T, _, journal, _ string, _ *stateful) {
			must(t, errors.Join(os.Remove(journal), os.Mkdir(journal, 0o700)))
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newStateful()
			k := start(t, remembering(m), func(k *kit) { k.left = true })
			dir := t.TempDir()
			write(t, dir, map[string]string{"large": random(16 << 20)})
			old(t, dir)
			k.broken(m, dir, 10)
			var part, journal string
			for _, path := range hidden(t, k.dst) {
				if strings.HasSuffix(path, ".part") {
					part, journal = path, strings.TrimSuffix(path, ".part")+".journal"
				}
			}
			change(t, part, journal, filepath.Join(dir, "large"), m)
			r, w, err := k.push(contents(t, dir))
			if err != nil || r.Failed > 0 || len(w.problems) > 0 || r.Resumed > 0 || r.Files != 1 {
				t.Fatalf("send: %v, %+v, %v", err, r, w.problems)
			}
			if got := read(t, k.dst)["large"]; got != read(t, dir)["large"] {
				t.Error("the file is wrong")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A journal whose writer was killed ends anywhere. What is before that counts, and
// what is written behind it later can be read.
func TestATornJournalCountsAsFarAsItGoes(t *testing.T) {
	m := newStateful()
	k := start(t, remembering(m))
	dir := t.TempDir()
	write(t, dir, map[string]string{"large": random(64 << 20)})
	old(t, dir)
	k.broken(m, dir, 30)
	tear := func(n int64) {
		for _, path := range hidden(t, k.dst) {
			if strings.HasSuffix(path, ".journal") {
				st, err := os.Stat(path)
				must(t, err)
				must(t, os.Truncate(path, st.Size()-n))
			}
		}
	}
	tear(40)
	k.broken(m, dir, 10)
	tear(1)
	r, _, err := k.push(contents(t, dir))
	if err != nil || r.Resumed < 20<<20 {
		t.Fatalf("send: %v, %+v", err, r)
	}
	same(t, dir, k.dst)
}

func TestAfterTheHostWentDownOnlyWhatIsOnTheDiskCounts(t *testing.T) {
	m := newStateful()
	k := start(t, remembering(m))
	dir := t.TempDir()
	write(t, dir, map[string]string{"large": random(40 << 20)})
	old(t, dir)
	k.broken(m, dir, 36)
	for _, path := range hidden(t, k.dst) {
		if strings.HasSuffix(path, ".journal") {
			reboot(t, m, path)
			continue
		}
		// A block that never reached the disk.
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteAt(make([]byte, 4096), 5<<20+4096)
		must(t, errors.Join(err, f.Close()))
	}
	r, _, err := k.push(contents(t, dir))
	if err != nil || r.Resumed < 20<<20 || r.Resumed > 39<<20 {
		t.Fatalf("send: %v, %+v", err, r)
	}
	same(t, dir, k.dst)
}

// reboot makes a journal one of another boot of this host.
func reboot(t *testing.T, m *stateful, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	h, err := wire.ParseJournalHead(b)
	must(t, err)
	records, _ := wire.ParseJournal(b, &h)
	h.Boot[0]++
	h.MAC = engine.SignJournal(m, "tests", "large", h)
	out := h.Append(nil)
	for i := range records {
		out = records[i].Append(out, &h)
	}
	must(t, os.WriteFile(path, out, 0o600))
}
