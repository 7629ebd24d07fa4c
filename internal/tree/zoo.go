package tree

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// zoo makes one or more of everything that copying programs get wrong.
func (g *maker) zoo(root int) {
	g.dir(root, "empty", 0o755, func(fd int) {
		g.dir(fd, "nothing", 0o755, nil)
		g.file(fd, "file", 0, 0o644)
	})
	g.dir(root, "symlinks", 0o755, g.symlinks)
	g.dir(root, "hardlinks", 0o755, g.hardlinks)
	g.dir(root, "sparse", 0o755, g.sparse)
	g.dir(root, "modes", 0o755, g.modes)
	g.dir(root, "names", 0o755, g.names)
	g.dir(root, "times", 0o755, g.times)
	g.dir(root, "sizes", 0o755, g.sizes)
	g.dir(root, "deep", 0o755, func(fd int) {
		g.chain(fd, maxPath-len("deep/"), 255)
		g.chain(fd, maxPath-len("deep/"), 39)
	})
}

// maxPath is the length of the longest paths, relative to the root: with any
// prefix they come close to PATH_MAX (4096) or pass it, so that no program can
// use them but piece by piece.
const maxPath = 4000

// symlinks makes links of all kinds.
func (g *maker) symlinks(fd int) {
	g.file(fd, "target", 17, 0o644)
	g.dir(fd, "dir", 0o755, func(fd int) { g.file(fd, "inside", 5, 0o644) })
	for _, l := range [][2]string{
		{"to-file", "target"},
		{"to-dir", "dir"},
		{"to-dir-slash", "dir/"},
		{"through-dir", "dir/inside"},
		{"dangling", "is/not/there"},
		{"absolute", "/etc/passwd"},
		{"absolute-dangling", "/nowhere/at/all"},
		{"outside", "../../../../../../etc/hostname"},
		{"loop-self", "loop-self"},
		{"loop-a", "loop-b"},
		{"loop-b", "loop-a"},
		{"dot", "."},
		{"dotdot", ".."},
		{"to-link", "to-file"},
		{"odd-text", "a\nb\x1b[31mc\xff d"},
		{"longest-text", strings.Repeat("long/", 818) + "12345"}, // 4095 bytes, the most there is
	} {
		g.symlink(fd, l[0], l[1])
	}
}

// hardlinks makes groups within a directory, across directories, upwards and
// of empty files, and one file whose other name lies in the same group only.
func (g *maker) hardlinks(fd int) {
	g.file(fd, "one", 3000, 0o644)
	g.link(fd, "one", fd, "one-again")
	g.link(fd, "one", fd, "one-more")
	g.file(fd, "nothing", 0, 0o600)
	g.link(fd, "nothing", fd, "nothing-again")
	g.file(fd, "large", 3<<20+1, 0o644)
	g.dir(fd, "below", 0o755, func(sub int) {
		g.link(fd, "one", sub, "one-below")
		g.link(fd, "large", sub, "large-below")
		g.file(sub, "two", 100, 0o644)
		g.link(sub, "two", fd, "two-above")
		g.dir(sub, "read-only", 0o555, func(ro int) { g.link(fd, "one", ro, "one-in-read-only") })
	})
	for i := range 50 {
		a, b := fmt.Sprintf("pair%02d-a", i), fmt.Sprintf("pair%02d-b", i)
		g.file(fd, a, int64(i), 0o644)
		g.link(fd, a, fd, b)
	}
}

// sparse makes files with holes at the start, in the middle and at the end.
func (g *maker) sparse(fd int) {
	const mib = 1 << 20
	for _, s := range []struct {
		name string
		size int64
		data []span
	}{
		{"all-hole", 8 * mib, nil},
		{"hole-at-start", 4*mib + 100, []span{{4 * mib, 4*mib + 100}}},
		{"hole-in-middle", 6 * mib, []span{{0, mib}, {5 * mib, 6 * mib}}},
		{"hole-at-end", 6*mib + 7, []span{{0, 12345}}},
		{"many-holes", 64 * mib, everyMiB(64)},
		{"huge", 64 << 30, []span{{32 << 30, 32<<30 + 4096}}},
		{"small", 65536, []span{{32768, 36864}}},
	} {
		g.fileAt(fd, s.name, s.size, 0o644, g.time(), s.data)
	}
}

// everyMiB is a page of data at the start of each MiB.
func everyMiB(n int64) []span {
	spans := make([]span, n)
	for i := range n {
		spans[i] = span{i << 20, i<<20 + 4096}
	}
	return spans
}

// modes makes files and directories with all kinds of permissions.
func (g *maker) modes(fd int) {
	files := []uint32{0o400, 0o444, 0o500, 0o555, 0o600, 0o604, 0o640, 0o666, 0o711, 0o755, 0o777}
	dirs := []uint32{0o500, 0o555, 0o700, 0o711, 0o750, 0o777}
	if g.spec.Unreadable {
		files = append(files, 0o000, 0o200, 0o011)
		dirs = append(dirs, 0o000, 0o300)
	}
	if g.spec.Special {
		files = append(files, 0o4755, 0o2755, 0o6711)
		dirs = append(dirs, 0o1777, 0o2775)
	}
	for _, m := range files {
		g.file(fd, fmt.Sprintf("file-%04o", m), 10, m)
	}
	for _, m := range dirs {
		g.dir(fd, fmt.Sprintf("dir-%04o", m), m, func(fd int) {
			g.file(fd, "inside", 20, 0o444)
			g.dir(fd, "nested", m, func(fd int) { g.file(fd, "inside", 30, 0o644) })
		})
	}
}

// OddNames lists names that break programs which think of names as text, as
// lines, as words of a shell, or as their own.
func OddNames() []string {
	return []string{
		"new\nline", "\n", "tab\tand\rreturn", "escape\x1b[31mred\x1b[0m\x1b]0;title\x07", "bell\x07",
		"bytes\xff\xfe\x80", "\xff", "half\xe2\x82", "ünïcödé", "e\u0301", "\u00e9", "右から\u202eleft", "💾",
		" ", " leading", "trailing ", "two  spaces", "-rf", "--", "-", "...", ".hidden", "..dots", "~", "~root",
		"quote'single", `quote"double`, "back\\slash", "`tick`", "$(touch x)", "${HOME}", "$HOME", "a;b", "a|b", "a&b", "a>b",
		"*", "?", "[a]", "{a,b}", "!", "#", "%s%n", "%00", "a:b", "host:path", ":", "@", "=", "a,b", "NUL", "con.", "name.",
		".scp_rdma.", ".scp_rdma.0123456789abcdef", ".scp_rdma.0123456789abcdef0123456789abcdef", ".scp_rdma.0123456789abcdef.links",
		".scp_rdma.tmp", ".~tmp~", "file.part", "file.tmp", "core", "lost+found", "index.lock",
		strings.Repeat("x", 255), strings.Repeat("\xfe", 255), strings.Repeat("é", 127), "." + strings.Repeat("y", 254),
	}
}

// names makes a file, and beside it a directory with a file, for each odd name.
func (g *maker) names(fd int) {
	g.dir(fd, "files", 0o755, func(fd int) {
		for i, n := range OddNames() {
			g.file(fd, n, int64(i), 0o644)
		}
	})
	g.dir(fd, "dirs", 0o755, func(fd int) {
		for i, n := range OddNames() {
			g.dir(fd, n, 0o755, func(fd int) { g.file(fd, n, int64(i), 0o644) })
		}
	})
	g.dir(fd, "links", 0o755, func(fd int) {
		for _, n := range OddNames() {
			g.symlink(fd, n, n)
		}
	})
}

// times makes files whose times are far from now. What the file system can't
// store it clamps, the same for a copy.
func (g *maker) times(fd int) {
	for _, t := range []time.Time{
		time.Unix(0, 0), time.Unix(0, 1), time.Unix(-1, 999999999), time.Unix(-1, 0), time.Unix(-1e9, 123456789),
		time.Unix(1<<31-1, 999999999), time.Unix(1<<31, 0), time.Unix(1<<32, 1), time.Unix(13569465600, 500),
		time.Unix(1e9, 0), time.Unix(1e9, 999999999), time.Unix(1e9, 1000),
	} {
		name := fmt.Sprintf("at%d.%09d", t.Unix(), t.Nanosecond())
		g.fileAt(fd, name, 3, 0o644, t, []span{{0, 3}})
	}
}

// sizes makes files around every size at which something may change over.
func (g *maker) sizes(fd int) {
	for _, around := range []int64{1, 512, 4096, 65536, 1 << 20, 2 << 20} {
		for _, d := range []int64{-1, 0, 1} {
			g.file(fd, fmt.Sprintf("size%d", around+d), around+d, 0o644)
		}
	}
}

// chain makes directories one in the other, each name of length component, and
// a file at the end whose path below fd has exactly total bytes.
func (g *maker) chain(fd, total, component int) {
	if g.err != nil {
		return
	}
	if total <= component {
		g.file(fd, strings.Repeat("f", total), 42, 0o644)
		return
	}
	// The rest must have room for a name of at least one byte.
	n := min(component, total-2)
	name := fmt.Sprintf("%03d", component) + strings.Repeat("d", max(n-3, 0))
	g.dir(fd, name[:n], 0o755, func(fd int) { g.chain(fd, total-n-1, component) })
}

// Deep makes, below dir, a chain of directories with names of component bytes,
// and at its end a file whose path below dir has exactly total bytes.
// component is 2 to 255, total is larger.
func Deep(dir string, total, component int) error {
	g := newMaker(Spec{})
	fd, err := openAt(unix.AT_FDCWD, dir, dirFlags, 0)
	if err != nil {
		return fmt.Errorf("deep: %w", err)
	}
	g.chain(fd, total, component)
	g.fail(unix.Close(fd))
	if g.err != nil {
		return fmt.Errorf("deep %s: %w", dir, g.err)
	}
	return nil
}
