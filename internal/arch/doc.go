// Package arch holds the rules of the house, as tests that read the source:
// which package may import what, where the few dangerous things live, and how
// long a file or a function may be. ARCHITECTURE.md says why; .golangci.yml
// says the same to editors.
//
// The tests parse every Go file of the module. They don't need it to compile.
package arch
