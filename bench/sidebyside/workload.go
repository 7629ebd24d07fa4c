package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// workload is a case: something to copy, and how.
type workload struct {
	name, what string
	single     bool                // one file, not a tree
	disk       bool                // on a disk: nothing cached before, all on it at the end
	estimate   func(s scale) int64 // bytes of the source, roughly
	fill       func(ctx context.Context, m *maker)
}

// scale shrinks a number, to 1 at the least.
type scale float64

func (s scale) of(n int64) int64 { return max(1, int64(float64(n)*float64(s))) }

// What the cases are made of.
const (
	largeSize = 4 << 30
	smallSize = 4 << 10
	smallDirs = 500
	smallEach = 100 // files in a directory
	shards    = 5
	shardSize = 530 << 20
	configs   = 40 // small files beside the shards
	diskFiles = 8
	diskSize  = 256 << 20
)

// workloads lists all cases.
func workloads() []workload {
	return []workload{
		{
			name: "large", what: "one file of random data, memory to memory", single: true,
			estimate: func(s scale) int64 { return s.of(largeSize) },
			fill:     func(_ context.Context, m *maker) { m.file("", m.scale.of(largeSize)) },
		}, {
			name: "small", what: "files of 4 KiB, 100 in a directory, memory to memory",
			estimate: func(s scale) int64 { return s.of(smallDirs*smallEach) * smallSize },
			fill:     func(_ context.Context, m *maker) { m.small() },
		}, {
			name: "toolchain", what: "the Go toolchain's files, memory to memory",
			estimate: func(s scale) int64 { return s.of(400 << 20) },
			fill:     func(ctx context.Context, m *maker) { m.toolchain(ctx) },
		}, {
			name: "models", what: "model shards with small files beside them, memory to memory",
			estimate: func(s scale) int64 { return shards*s.of(shardSize) + configs*200<<10 },
			fill:     func(_ context.Context, m *maker) { m.models() },
		}, {
			name: "disk", what: "large files, disk to disk, nothing cached before, all on the disk at the end", disk: true,
			estimate: func(s scale) int64 { return diskFiles * s.of(diskSize) },
			fill: func(_ context.Context, m *maker) {
				for i := range diskFiles {
					m.file(fmt.Sprintf("volume%d.bin", i), m.scale.of(diskSize))
				}
			},
		},
	}
}

// leaf is the name of what is copied.
func (w workload) leaf() string {
	if w.single {
		return "file.bin"
	}
	return "tree"
}

// maker makes a source; equal cases and scales give equal bytes and names. The
// first error stays, and makes all calls after it do nothing.
type maker struct {
	root  string // the tree, or the one file
	scale scale
	err   error
	files int
	bytes int64

	data *rand.ChaCha8
	buf  []byte
	dirs map[string]bool
}

// makeSource makes the source of w in dir.
func makeSource(ctx context.Context, w workload, dir string, s scale) (*maker, error) {
	seed := [32]byte{}
	copy(seed[:], w.name)
	m := &maker{
		root: filepath.Join(dir, w.leaf()), scale: s,
		data: rand.NewChaCha8(seed), buf: make([]byte, 1<<20), dirs: map[string]bool{},
	}
	m.err = os.MkdirAll(dir, 0o755)
	w.fill(ctx, m)
	m.finish()
	if m.err != nil {
		return nil, fmt.Errorf("source of %s: %w", w.name, m.err)
	}
	return m, nil
}

// stamp is the time that everything in a source has: whole seconds, for many
// rivals keep no more.
func stamp() time.Time { return time.Unix(1.7e9, 0) }

// create opens a new file, its directories made before.
func (m *maker) create(rel string) *os.File {
	if m.err != nil {
		return nil
	}
	name := filepath.Join(m.root, rel)
	if dir := filepath.Dir(name); rel != "" && !m.dirs[dir] {
		m.err = os.MkdirAll(dir, 0o755)
		for d := dir; len(d) >= len(m.root) && !m.dirs[d]; d = filepath.Dir(d) {
			m.dirs[d] = true
		}
	}
	if m.err != nil {
		return nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		m.err = err
		return nil
	}
	return f
}

// done closes a file and counts it.
func (m *maker) done(f *os.File, size int64) {
	if err := f.Close(); m.err == nil {
		m.err = err
	}
	if m.err == nil {
		m.err = os.Chtimes(f.Name(), stamp(), stamp())
	}
	m.files++
	m.bytes += size
}

// file makes a file of random bytes.
func (m *maker) file(rel string, size int64) {
	f := m.create(rel)
	if f == nil {
		return
	}
	for left := size; left > 0 && m.err == nil; {
		p := m.buf[:min(int64(len(m.buf)), left)]
		_, _ = m.data.Read(p) // never fails: math/rand/v2
		_, m.err = f.Write(p)
		left -= int64(len(p))
	}
	m.done(f, size)
}

// small makes many small files.
func (m *maker) small() {
	for i := range int(m.scale.of(smallDirs * smallEach)) {
		m.file(fmt.Sprintf("dir%03d/file%05d.dat", i/smallEach, i), smallSize)
	}
}

// models makes what is published with a language model: a few large files, and
// many of some kilobytes.
func (m *maker) models() {
	for i := range shards {
		m.file(fmt.Sprintf("model/model-%05d-of-%05d.safetensors", i+1, shards), m.scale.of(shardSize))
	}
	sizes := rand.New(m.data)
	for i := range configs {
		dir := []string{"model", "model/tokenizer", "model/eval", "docs"}[i%4]
		m.file(fmt.Sprintf("%s/part%02d.json", dir, i), 1<<10+sizes.Int64N(199<<10))
	}
}

// finish gives directories their times, which what was made in them has changed.
func (m *maker) finish() {
	for dir := range m.dirs {
		if m.err != nil {
			return
		}
		m.err = os.Chtimes(dir, stamp(), stamp())
	}
}
