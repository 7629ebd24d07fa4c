// Package transporttest is the conformance suite of the seam: what
// package transport promises, as tests that every transport passes.
//
// To add a transport: write a test that calls Run with a Config whose World
// makes two connected sides, and a hard way to kill the peer of a stream if
// there is one. That is all; about 25 lines, see transport/mem and
// transport/tcp. A test in internal/arch fails for a transport that doesn't.
//
// To add a promise: put the sentence into package transport and a test that is
// named by it into this package's list, in suite.go.
//
// Config.Raw and Config.Swallows open the tests that can't be asked through the
// seam: a peer that proves itself and then lies, a Send that has to wait.
// Benchmark measures the same worlds.
//
// Faulty decorates any transport with faults, Throttle with rails of limited rates, for tests
// of what lies above.
package transporttest
