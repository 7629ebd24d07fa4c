// Package bench measures whole transfers, from a source directory to a target
// directory on one machine, over every transport, through the same library
// calls as the program. Where there is memory for it both lie in /dev/shm, so
// that no disk is measured.
//
//	make bench                             # all benchmarks of the module, thrice each, and sidebyside, small
//	go test -bench Transfer ./bench        # these
//	make bench-full                        # sidebyside, all of it, into results/
//	go run ./bench/growth                  # what transfers cost as they grow, into results/
//	go run ./bench/simulate --help         # what they would do on hosts that are not at hand
//
// BenchmarkMemoryToMemory has no files at either end: what the engine and a
// transport can do. BenchmarkBytes is what each step costs that a byte goes through, and
// what docs/planning.md counts with. BenchmarkHandshake is the price of knowing each other.
//
// Beside each transfer stands cp -r of the same tree, measured in the same run:
// machines differ, the ratio says more. What users would take instead (rsync,
// scp, tar, GridFTP, rclone) stands beside the built program in sidebyside.
// results/ keeps what was measured when, with the facts of the machine.
package bench
