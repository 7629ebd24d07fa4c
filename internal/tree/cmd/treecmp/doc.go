// Command treecmp makes and compares trees, for scripts. Exit codes: 0 done or
// equal, 1 the trees differ, 2 something went wrong.
package main
