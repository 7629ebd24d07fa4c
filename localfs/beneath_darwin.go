package localfs

// openBeneath opens a directory below the root. Symbolic links in path are
// followed as long as they stay below.
func (r *Root) openBeneath(path string) (int, error) {
	fd, _, err := walkBeneath(r.fd, path, r.host)
	return fd, err
}

// realBeneath is the path below the root, without links, of a directory that openBeneath opens.
func (r *Root) realBeneath(path string) ([]string, error) {
	fd, names, err := walkBeneath(r.fd, path, r.host)
	if err == nil {
		closeQuietly(fd)
	}
	return names, err
}
