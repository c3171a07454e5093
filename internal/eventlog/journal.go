package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The journal's form: two header slots, used in turn, then records from
// journalStart on. A slot is magic, epoch, CRC. A record is the payload's
// length, a CRC over epoch, length and payload, and the payload. Starting anew
// is writing a header with the next epoch: what lies behind it no longer fits
// its CRC. The file is written full of zeros once, so that later writes need
// no new block and a full disk does not stop them (on copying file systems
// such as btrfs this does not hold).
const (
	journalMagic  = "PRTVJNL1"
	headerSlot    = 4096 // bytes; a slot of its own block, so that a torn write spoils one
	journalStart  = 2 * headerSlot
	recordHead    = 8
	maxRecord     = 8 << 20 // bytes of one batch; maxBatch events of a few KB each
	zeroBlock     = 1 << 20
	journalName   = "signins.journal"
	minJournal    = 64 << 10
	journalNormal = 64 << 20 // about 150,000 distinct sign-ins, or a million repeats
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errJournalFull = errors.New("sign-in journal is full")
	errNoJournal   = errors.New("file is not a sign-in journal")
	// ErrInUse says that another process has the state folder.
	ErrInUse = errors.New("another process uses this state folder")
)

// file is what the journal needs of its file; tests make it fail.
type file interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Close() error
}

// diskFile syncs what a write needs and, where the system knows the difference,
// not the file's times.
type diskFile struct{ *os.File }

func (f diskFile) Sync() error { return syncData(f.File) }

// journal is an append-only file of fixed size. It is not safe for several
// goroutines at once, except that read may run beside append.
type journal struct {
	f     file
	size  int64
	epoch uint64
	tail  int64 // where the next record goes
	buf   []byte
}

// openJournal opens or makes the journal and finds its end. A file that is no
// journal is set aside, and its new name returned.
func openJournal(path string, size int64) (j *journal, aside string, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("opening the sign-in journal: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, "", ErrInUse
	}
	j = &journal{f: diskFile{f}, size: size}
	fi, err := f.Stat()
	if err == nil && fi.Size() > 0 {
		err = j.recover(fi.Size())
		if errors.Is(err, errNoJournal) {
			_ = f.Close()
			aside = fmt.Sprintf("%s.damaged-%d", path, time.Now().UnixNano())
			if err := os.Rename(path, aside); err != nil {
				return nil, "", fmt.Errorf("setting the damaged sign-in journal aside: %w", err)
			}
			j, _, err = openJournal(path, size)
			return j, aside, err
		}
	}
	if err == nil && (fi.Size() < size || j.epoch == 0) {
		err = j.allocate(fi.Size())
	}
	if err != nil {
		_ = f.Close()
		return nil, "", fmt.Errorf("opening the sign-in journal: %w", err)
	}
	return j, "", nil
}

// allocate fills the file with zeros up to its size and writes its first header.
func (j *journal) allocate(from int64) error {
	zeros := make([]byte, zeroBlock)
	for at := from; at < j.size; at += zeroBlock {
		if _, err := j.f.WriteAt(zeros[:min(zeroBlock, j.size-at)], at); err != nil {
			return err
		}
	}
	if j.epoch == 0 {
		return j.reset()
	}
	return j.f.Sync()
}

// recover reads the header and walks the records to the first that does not
// fit: a record is answered only after it was synced, so nothing behind a torn
// one was ever promised.
func (j *journal) recover(have int64) error {
	for slot := range int64(2) {
		var h [20]byte
		if _, err := j.f.ReadAt(h[:], slot*headerSlot); err != nil {
			break
		}
		epoch := binary.BigEndian.Uint64(h[8:])
		if string(h[:8]) == journalMagic && binary.BigEndian.Uint32(h[16:]) == crc32.Checksum(h[:16], castagnoli) && epoch > j.epoch {
			j.epoch = epoch
		}
	}
	if j.epoch == 0 {
		if empty, err := j.onlyZeros(have); err != nil || !empty {
			return errors.Join(err, errNoJournal)
		}
		return nil // it was stopped while it was being made
	}
	j.size = max(j.size, have)
	j.tail = journalStart
	for {
		payload, next, err := j.read(j.tail)
		if err != nil || payload == nil {
			return err
		}
		j.tail = next
	}
}

func (j *journal) onlyZeros(have int64) (bool, error) {
	head := make([]byte, min(have, journalStart))
	if _, err := j.f.ReadAt(head, 0); err != nil {
		return false, err
	}
	for _, b := range head {
		if b != 0 {
			return false, nil
		}
	}
	return true, nil
}

// read returns the record at a place and where the next begins; nil at the end.
func (j *journal) read(at int64) (payload []byte, next int64, err error) {
	var h [recordHead]byte
	if at+recordHead > j.size {
		return nil, at, nil
	}
	if _, err := j.f.ReadAt(h[:], at); err != nil {
		return nil, at, fmt.Errorf("reading the sign-in journal: %w", err)
	}
	n := int64(binary.BigEndian.Uint32(h[:]))
	if n == 0 || n > maxRecord || at+recordHead+n > j.size {
		return nil, at, nil
	}
	payload = make([]byte, n)
	if _, err := j.f.ReadAt(payload, at+recordHead); err != nil {
		return nil, at, fmt.Errorf("reading the sign-in journal: %w", err)
	}
	if binary.BigEndian.Uint32(h[4:]) != j.sum(payload) {
		return nil, at, nil
	}
	return payload, at + recordHead + n, nil
}

func (j *journal) sum(payload []byte) uint32 {
	var h [12]byte
	binary.BigEndian.PutUint64(h[:], j.epoch)
	binary.BigEndian.PutUint32(h[8:], uint32(len(payload)))
	return crc32.Update(crc32.Checksum(h[:], castagnoli), castagnoli, payload)
}

// append writes a record and returns once it is durable. After an error the
// next record goes to the same place.
func (j *journal) append(payload []byte) error {
	if int64(len(payload)) > min(maxRecord, j.size-j.tail-recordHead) {
		return errJournalFull
	}
	j.buf = binary.BigEndian.AppendUint32(j.buf[:0], uint32(len(payload)))
	j.buf = binary.BigEndian.AppendUint32(j.buf, j.sum(payload))
	j.buf = append(j.buf, payload...)
	if _, err := j.f.WriteAt(j.buf, j.tail); err != nil {
		return fmt.Errorf("writing the sign-in journal: %w", err)
	}
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("writing the sign-in journal: %w", err)
	}
	j.tail += int64(len(j.buf))
	return nil
}

// reset empties the journal: all of it is in the database.
func (j *journal) reset() error {
	h := append([]byte(journalMagic), make([]byte, 12)...)
	binary.BigEndian.PutUint64(h[8:], j.epoch+1)
	binary.BigEndian.PutUint32(h[16:], crc32.Checksum(h[:16], castagnoli))
	if _, err := j.f.WriteAt(h, int64((j.epoch+1)%2)*headerSlot); err != nil {
		return fmt.Errorf("emptying the sign-in journal: %w", err)
	}
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("emptying the sign-in journal: %w", err)
	}
	j.epoch++
	j.tail = journalStart
	return nil
}

func (j *journal) empty() bool { return j.tail == journalStart }

// fill is how full it is, 0 to 1.
func (j *journal) fill() float64 {
	return float64(j.tail-journalStart) / float64(j.size-journalStart)
}
