package tenant

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxUnpacked bounds one file of an archive, in bytes: a month's log of
// 100,000 mailboxes has some gigabytes; a bomb has more.
const maxUnpacked = 16 << 30

// Open opens a folder, or a zip archive of one, for Read.
func Open(path string) (fs.FS, io.Closer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		return os.DirFS(path), io.NopCloser(nil), nil
	}
	if !strings.HasSuffix(strings.ToLower(path), ".zip") {
		return nil, nil, fmt.Errorf("%s is neither a folder nor a zip archive: give the folder that the exports are in", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	archive, err := OpenZip(f, info.Size())
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return archive, f, nil
}

// OpenZip is an archive as a folder.
func OpenZip(r io.ReaderAt, size int64) (fs.FS, error) {
	z, err := zip.NewReader(r, size)
	if errors.Is(err, zip.ErrFormat) {
		return nil, errors.New("this is no whole zip archive: its directory, which stands at the end, is missing; it was probably cut off while it was copied")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the zip archive: %w", err)
	}
	if len(z.File) > maxFiles {
		return nil, fmt.Errorf("the archive has more than %d files", maxFiles)
	}
	for _, f := range z.File {
		if f.Flags&1 != 0 {
			return nil, fmt.Errorf("%s in the archive is encrypted: unpack it first", f.Name)
		}
		if f.UncompressedSize64 > maxUnpacked {
			return nil, fmt.Errorf("%s in the archive has %d GB unpacked, more than the %d GB that are read", f.Name, f.UncompressedSize64>>30, int64(maxUnpacked)>>30)
		}
	}
	return z, nil
}

// bounded ends with an error, not silently, once a file is too long: the size
// that an archive states for a file need not be true.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the file is longer than %d GB", int64(maxUnpacked)>>30)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
