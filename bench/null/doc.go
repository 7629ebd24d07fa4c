// Package null has a source and a sink of nothing: files that nobody reads, and a
// place that keeps nothing. What is left of a transfer is planning, framing, flow
// control, bookkeeping and the transport.
package null
