// Package tree makes directory trees that are hard to copy, and finds every
// difference between two trees. Tests, the demo and the benchmarks use it; the
// program itself does not.
//
// Generate, from a Spec (equal Specs give equal trees):
//
//	[1] plain files in directories of a hundred, sizes from empty to a MiB
//	[2] if asked for: large files
//	[3] the zoo: symlinks of all kinds, hard links within and across
//	    directories, files with holes, odd modes, odd names, times far from now,
//	    paths of 4000 bytes (made component by component with the *at calls)
//	[4] a directory gets its mode and times when all in it is done
//
// Compare walks two trees in step:
//
//	[1] both directories are listed and sorted; names on one side only are differences
//	[2] entries with the same name are compared by lstat: kind, mode, mtime,
//	    size, link text, and which other names share the inode
//	[3] files of the same size are opened and handed to workers, which read both
//	    sides: large files in ranges, by several workers
//	[4] where the first tree has holes, the second must not have data
//
// With Growing it asks whether what a killed transfer has left is right so far.
//
// Memory is bounded by the largest single directory and by the number of
// inodes that have a hard link not met yet, not by the size of the trees.
//
// What is not compared: access and change times, inode numbers, and owners,
// special mode bits and extended attributes unless Options ask for them.
package tree
