// Package state is what a server remembers between its starts, in a private
// directory that no client can write to: a secret, which directories files were being
// written in, and how much has been stored under keys that have a quota.
//
//	[1] Open makes the directory, or refuses one that others could have changed
//	[2] Begin notes, on the disk before it returns, that a session writes below a
//	    directory without fsync, under this boot of the host
//	[3] the session ends; Run has the file system write all it holds (syncfs), and
//	    only then the note goes
//	[4] a note of another boot is one of a session that a power cut may have hit:
//	    below its directory a file can have its name, its size and its times, and not
//	    its bytes (Suspect), until somebody has compared them (Settled)
//	[5] Account counts what sessions store under a key: booked in a file before it is written,
//	    some of it ahead, so that no crash and no second server has more stored than there may be
//
// A note is a file of its own, so that several servers of one host can share the
// directory. It names its process: once that is gone, any of them takes the note over.
// A directory is for the servers of one host: another's boots can't be told from
// those that this host had before, so what its servers note makes files suspect here,
// which costs time and nothing else.
package state
