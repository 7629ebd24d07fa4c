// Command scp_rdma sends files and directory trees to another host, and with
// -s receives them.
//
//	[1] run decides: a sub-command, a server, or a copy; then cobra reads the flags
//	[2] remote and target read HOST:PATH and refuse what makes no sense before anything is sent
//	[3] transports says which transports exist; nothing else in the program does but bench
//	[4] push or serve puts source or sink, transports and engine together
//	[5] console shows what the engine tells: progress, problems, the summary
//	[6] complete and man tell shells and man(1) what the flags and --help say
//	[7] exit turns what came of it into an exit code, by the one table there is
//
// Every name that came from a file system or a peer reaches a terminal or a log
// through quote (escape.go) and no other way.
package main
