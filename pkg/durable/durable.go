// Package durable writes files that are whole at any moment and stay after a loss of power. A file grows beside its
// target and never in the folder for temporary files, which other users and other programs may see.
package durable

// WriteSecret puts content in the place of the file at path. Nobody but its owner may read it, from its first byte on,
// whatever the umask is and whatever the file there allowed before. On Windows the folder's access list says who may.
func WriteSecret(path string, content []byte) error { return write(path, content, secret) }

// WriteFile puts content in the place of the file at path. Everybody may read it whom the umask lets.
func WriteFile(path string, content []byte) error { return write(path, content, public) }

// Rename puts a file, which is durable itself, or a folder in the place of another. When it returns the new name is on the
// disk, and the old one is gone from it.
func Rename(from, to string) error { return replace(from, to) }
