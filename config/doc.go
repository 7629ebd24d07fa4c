// Package config reads configuration files: YAML, held strictly against what may stand there.
//
//	[1] Load takes a file only if nobody else could have changed it, and no more of it than MaxFile
//	[2] Parse knows three sections (client, server, hosts) and, from a Schema, the keys of each
//	[3] what is wrong is told with file and line, and with the key that was probably meant
//
// What a value means is for the caller, who has flags of the same names. A file that anchors,
// aliases or merges is refused: nothing in it stands for more than it is long. Keys of
// ours, the secrets, are refused too, and not shown: a configuration names files.
package config
