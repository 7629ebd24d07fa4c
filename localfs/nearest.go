package localfs

import (
	"os"
	"slices"
	"strings"
)

// OpenNearest opens the root that a path which somebody typed means on this host: the
// deepest directory on the way to its last component that is there. Relative paths and ~
// begin at home, others at /. With what exact says, or where the last component is no
// link, that one is not the root itself, so that it means the same before and after it was
// made. rest is the path below the root, with its slash at the end.
//
// Nothing is confined yet: it is the user's own path, with the user's own links and rights.
// It is from here on.
func OpenNearest(home, path string, exact bool) (r *Root, rest string, err error) {
	base, names := splitTyped(home, path)
	slash := path == "" || strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.") || path == "." || path == "~"
	most := len(names)
	if most > 0 && !slash && (exact || !isLinkToDir(joined(base, names))) {
		most--
	}
	for n := most; ; n-- {
		dir := joined(base, names[:n])
		if st, err := os.Stat(dir); n > 0 && (err != nil || !st.IsDir()) {
			continue
		}
		left := names[n:]
		if slices.Contains(left, "..") {
			return nil, "", usagef("%s: there is no such directory to go up from", path)
		}
		rest = strings.Join(left, "/")
		if slash && rest != "" {
			rest += "/"
		}
		r, err = OpenRoot(dir, false)
		return r, rest, err
	}
}

// splitTyped is where a path begins, and its components.
func splitTyped(home, path string) (base string, names []string) {
	base = home
	switch {
	case strings.HasPrefix(path, "/"):
		base = "/"
	case path == "~":
		path = ""
	case strings.HasPrefix(path, "~/"):
		path = path[2:]
	}
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return base, names
}

// joined is a path whose ".." are the kernel's to follow, behind links too.
func joined(base string, names []string) string {
	if len(names) == 0 {
		return base
	}
	return strings.TrimSuffix(base, "/") + "/" + strings.Join(names, "/")
}

// isLinkToDir says whether a path is a symbolic link that leads to a directory.
func isLinkToDir(path string) bool {
	st, err := os.Lstat(path)
	if err != nil || st.Mode()&os.ModeSymlink == 0 {
		return false
	}
	st, err = os.Stat(path)
	return err == nil && st.IsDir()
}
