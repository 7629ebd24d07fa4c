// Package e2e tests the program from outside: real processes, real sockets on
// loopback, real file systems, network namespaces. Nothing here knows what is
// inside; each test's name is the sentence that it proves.
//
// The tests run as root: they make mounts, namespaces and files of several
// owners. All of it lies in a mount namespace of the test process and in
// network namespaces without a name, which the kernel removes with the last
// process in them, whatever becomes of the test. Where it matters, a test runs
// the program as root and as uid 65534.
//
// Tests that take minutes or many GiB have the build tag slow: make check-slow.
package e2e
