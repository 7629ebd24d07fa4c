// Package localfs reads and writes trees of the local file system: Source
// walks and reads, Sink makes files and directories below one root.
//
// Both name things by a chain of single components below an open directory
// (dirNode). A directory's descriptor is opened when it is needed, relative to
// its parent's and never through a symbolic link, and closed when others need
// the room. So paths longer than PATH_MAX and trees wider than the descriptor
// limit work, and nothing below a root can lead out of it, whatever is
// swapped while we look away: there is no path string to be checked too early.
//
// A file reaches the sink in these steps:
//
//	[1] open(O_TMPFILE) in the directory that will hold it: it has no name, so
//	    a killed process leaves nothing
//	[2] write; owner, attributes, mode, and last the times
//	[3] link(2) it to its name. If the name is taken: link it to a hidden name,
//	    rename(2) that over the old file
//	[4] of a hard-link group: one more link in a hidden directory of the
//	    session, where the group's other names are linked from
//
// Where the file system has no O_TMPFILE, or does not link such files, [1]
// creates a hidden name at once and [3] is the rename alone. Which of the ways
// works is found out once per device.
//
// A large file may outlive its session instead (HalfFile). It has a hidden name made
// from its own (SHA-256, so that a later session finds it whatever the name's length),
// and a journal beside it:
//
//	[1] create both with mode 0600, lock the file (flock(2)) for as long as it is open
//	[2] write; the journal, whose contents are the caller's, says what has arrived
//	[3] metadata; rename(2) it to its name, and then remove the journal
//
// A later session believes them only if each is a regular file of this user with mode
// 0600 and one name, and looks only after it has the lock, for who holds it may be in
// the midst of [3]. All else is removed, or left alone and not used if it can't be. What
// the journal says must be proved by its contents: this package only keeps others from
// putting one there unseen. Names of that form are no entry's, neither read nor made.
//
// Root.Clean removes what sessions have left: by age, for who has it locked is not done,
// and by owner.
//
// What is not promised: without SinkOptions.Fsync nothing is synced to disk. A killed
// process leaves half files, and may leave hidden names (.scp_rdma.*) where O_TMPFILE is
// missing or hard links were on their way, and directories with mode 0700 that were not
// finished. Locks hold among processes of one host, and over NFS as far as that has
// them. A file that is killed between [2] and its name, or whose mode lets its owner
// neither read nor write it and that another session begins in that moment, begins anew.
// A file changed within one tick of the file system's clock, without a change of size,
// goes unnoticed. Files that have no size because the kernel makes them up while they
// are read (/proc) are left out and reported.
package localfs
