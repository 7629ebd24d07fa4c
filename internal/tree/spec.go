package tree

import (
	"fmt"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"
)

// Spec says what Generate makes. Equal Specs give equal trees: names, bytes,
// modes and times.
type Spec struct {
	Seed  uint64
	Files int // plain files; the zoo comes on top

	Large     int   // large files
	LargeSize int64 // bytes of each

	PlainOnly  bool // no zoo: plain and large files only
	Unreadable bool // files and directories that only root can read (0000, 0200)
	Special    bool // setuid, setgid and sticky bits
	Xattrs     bool // extended attributes user.*, where the file system has them
}

// Stats counts what Generate made.
type Stats struct {
	Files    int // regular files, each inode once
	Dirs     int // without the root
	Symlinks int
	Links    int   // further names of a file
	Bytes    int64 // sizes of the files, each inode once
	Data     int64 // of them, those that are not in holes
}

// Generate makes the tree that spec describes in dir, which it makes if it is
// missing; what it makes there must not exist yet. The directory itself gets a
// mode and times too. On error the tree is left half made.
func Generate(dir string, spec Spec) (Stats, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Stats{}, fmt.Errorf("generate: %w", err)
	}
	fd, err := openAt(unix.AT_FDCWD, dir, dirFlags, 0)
	if err != nil {
		return Stats{}, fmt.Errorf("generate: %w", err)
	}
	g := newMaker(spec)
	g.fill(fd)
	g.finishDir(fd, 0o755)
	if g.err != nil {
		return g.stats, fmt.Errorf("generate %s: %w", dir, g.err)
	}
	return g.stats, nil
}

// newMaker prepares a maker whose random numbers come from the Spec's seed alone.
func newMaker(spec Spec) *maker {
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(spec.Seed >> (8 * i))
	}
	src := rand.NewChaCha8(seed)
	return &maker{spec: spec, bytes: src, rng: rand.New(src), buf: make([]byte, 1<<20)}
}

// fill makes everything below the root.
func (g *maker) fill(root int) {
	g.dir(root, "plain", 0o755, g.plain)
	if g.spec.Large > 0 {
		g.dir(root, "large", 0o755, g.large)
	}
	if g.spec.PlainOnly {
		return
	}
	g.zoo(root)
}

// plain makes Files files, a hundred in each directory, hundred directories in
// each of the next level.
func (g *maker) plain(fd int) {
	const perDir = 100
	for first := 0; first < g.spec.Files && g.err == nil; first += perDir * perDir {
		g.dir(fd, fmt.Sprintf("%04d", first/(perDir*perDir)), 0o755, func(fd int) {
			for at := first; at < min(first+perDir*perDir, g.spec.Files); at += perDir {
				g.dir(fd, fmt.Sprintf("%02d", at/perDir%perDir), 0o755, func(fd int) {
					for i := at; i < min(at+perDir, g.spec.Files); i++ {
						g.file(fd, fmt.Sprintf("file%08d.dat", i), g.plainSize(), 0o644)
					}
				})
			}
		})
	}
}

// plainSize draws a size as source trees have them: many files are small, some
// are empty, and few have most of the bytes.
func (g *maker) plainSize() int64 {
	switch n := g.rng.IntN(1000); {
	case n < 100:
		return 0
	case n < 850:
		return 1 + g.rng.Int64N(4<<10)
	case n < 995:
		return 1 + g.rng.Int64N(32<<10)
	default:
		return 1 + g.rng.Int64N(1<<20)
	}
}

// large makes the large files. The last has an odd size.
func (g *maker) large(fd int) {
	for i := range g.spec.Large {
		size := g.spec.LargeSize
		if i == g.spec.Large-1 && i > 0 {
			size += 4097
		}
		g.file(fd, fmt.Sprintf("large%d.bin", i), size, 0o640)
	}
}
