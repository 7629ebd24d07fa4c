// Package confine takes from a process what it does not need: paths that are none of its
// business (landlock(7)), and root.
//
// Both are for every thread of the process, whoever has made it: of a build with cgo, the
// C library's too. That is what psx of libcap is for, which go-landlock brings. Then the
// program starts itself anew, with the files that it has opened before: see Anew.
package confine
