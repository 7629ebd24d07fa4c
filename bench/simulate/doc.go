// Command simulate says how a transfer would do over rails, disks and cores that are
// not at hand: a simulation of the credit loop (bench/model) in virtual time.
//
//	go run ./bench/simulate --rate 400G --delay 5us --rails 2 --streams 8 --slots 4 --slot-size 1M
//	go run ./bench/simulate --rate 100G --sweep slots=1,2,4,8,16   # one line for each
//	go run ./bench/simulate --page                                 # the tables of docs/planning.md
//
// What a byte costs the processors is that of `go test -bench Bytes ./bench` on the
// machine of bench/results, unless flags say otherwise. The tables of docs/planning.md
// are this command's; a test holds the page to them, and UPDATE_GOLDEN=1 writes them
// anew.
package main
