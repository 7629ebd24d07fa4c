// Package sweep finds the settings that carry most between two hosts, from memory to
// memory: one dimension after the other (slot size, streams, slots, rails), each with
// the best of those before it, and in the end the best against the defaults in turns.
// How one point is measured is the caller's: engine.Bench.
package sweep
