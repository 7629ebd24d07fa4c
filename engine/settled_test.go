package engine_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/wire"
)

// settlements are what a Settler was told, by path.
type settlements struct {
	mu    sync.Mutex
	begun int
	all   map[string]engine.Settlement
	twice []string
}

func (s *settlements) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
	s.all = map[string]engine.Settlement{}
}

func (s *settlements) Settled(_ *localfs.Entry, how engine.Settlement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.all[how.Path]; ok {
		s.twice = append(s.twice, how.Path)
	}
	s.all[how.Path] = how
}

// check fails the test unless each file of dir was told of once, with its digest.
func (s *settlements) check(t *testing.T, dir string, kind wire.SumKind, files int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.twice) > 0 {
		t.Errorf("told twice: %q", s.twice)
	}
	n := 0
	for path, text := range read(t, dir) {
		n++
		h := kind.New()
		h.Write([]byte(text))
		if got := s.all[path]; !bytes.Equal(got.Digest, h.Sum(nil)) {
			t.Errorf("%s: %+v, want digest %x", path, got, h.Sum(nil))
		}
	}
	if n != files {
		t.Errorf("%d files, want %d", n, files)
	}
}

// linked is a tree of n small files, a large one, and one with so many names.
func linked(t *testing.T, n, names int) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"large": random(5 << 20), "links/0": random(100_000)}
	for i := range n {
		files[fmt.Sprintf("d%d/f%d", i%7, i)] = fmt.Sprint(i)
	}
	write(t, dir, files)
	for i := 1; i < names; i++ {
		must(t, os.Link(filepath.Join(dir, "links/0"), filepath.Join(dir, "links", fmt.Sprint(i))))
	}
	must(t, os.Symlink("large", filepath.Join(dir, "sym")))
	return dir
}

// More files are read back than may be begun at once: their streams wait.
func TestEveryFileIsReadBackHoweverManyThereAre(t *testing.T) {
	const small, names = 1500, 40
	for name, set := range map[string]func(*engine.SendConfig){
		"xxh128":   func(c *engine.SendConfig) { c.Digest = wire.SumXXH128 },
		"sha256":   func(c *engine.SendConfig) { c.Digest = wire.SumSHA256 },
		"verified": func(c *engine.SendConfig) { c.Digest, c.Verify = wire.SumXXH128, true },
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, memory, func(k *kit) { k.limits.Files = 100 })
			dir := linked(t, small, names)
			old(t, dir)
			for _, how := range []engine.How{engine.HowWritten, engine.HowThere, engine.HowCompared} {
				s := &settlements{}
				var kind wire.SumKind
				r, w, err := k.push(contents(t, dir), set, func(c *engine.SendConfig) {
					c.Settler, kind = s, c.Digest
					if how == engine.HowCompared {
						c.Compare = wire.CompareContents
					}
				})
				if err != nil || r.Failed > 0 || len(w.problems) > 0 {
					t.Fatalf("%+v, %v, %v", r, err, w.problems)
				}
				s.check(t, dir, kind, small+names+1)
				if s.all["large"].How != how || s.all["sym"].How != engine.HowMade || s.all["d1/f1"].How != how {
					t.Errorf("large: %v, want %v; sym: %v", s.all["large"].How, how, s.all["sym"].How)
				}
				if s.begun != 1 {
					t.Errorf("begun %d times", s.begun)
				}
			}
			same(t, dir, k.dst)
		})
	}
}

func TestWhatIsFetchedIsSettledToo(t *testing.T) {
	const small, names = 300, 10
	k := start(t, memory)
	src := linked(t, small, names)
	must(t, os.CopyFS(k.dst, os.DirFS(src)))
	old(t, k.dst)
	for range 2 {
		s := &settlements{}
		into := t.TempDir()
		root, err := localfs.OpenRoot(into, false)
		must(t, err)
		defer root.Close()
		r, err := engine.Fetch(t.Context(), engine.FetchConfig{
			Server: k.dial(), Transports: transport.NewRegistry(k.client), Paths: []string{"."}, Target: localfs.Target{Path: "new"},
			NewSink: func(o localfs.SinkOptions) (engine.Sink, error) { return root.Sink(o), nil },
			Digest:  wire.SumSHA256, Settler: s, Chmod: func(mode uint32, dir bool) uint32 { return mode | 0o020 },
		})
		if err != nil || r.Failed > 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		s.check(t, filepath.Join(into, "new"), wire.SumSHA256, small+names+1)
		if st, err := os.Stat(filepath.Join(into, "new", "large")); err != nil || st.Mode().Perm() != 0o664 {
			t.Errorf("%v, %v", st, err)
		}
	}
}

// After a server was lost, all is told once more.
func TestWhatWasToldComesAgain(t *testing.T) {
	tr := mem.New()
	r := newRelay(t)
	var once sync.Once
	k := start(t, remembering(newStateful()), func(k *kit) { k.client, k.server = tr, tr }, cutting(3, func() { once.Do(r.cut) }))
	r.lead(k.addr)
	dir := linked(t, 50, 3)
	write(t, dir, map[string]string{"huge": random(20 << 20)})
	old(t, dir)
	s := &settlements{}
	rep, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) {
		c.Server.Addr = r.ln.Addr().String()
		c.Digest, c.Settler = wire.SumXXH128, s
	})
	if err != nil || rep.Reconnected != 1 {
		t.Fatalf("%+v, %v", rep, err)
	}
	s.check(t, dir, wire.SumXXH128, 55)
	if s.begun != 2 {
		t.Errorf("begun %d times", s.begun)
	}
}
