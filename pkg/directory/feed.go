package directory

import (
	"slices"
	"time"
)

// FeedReader is somebody outside who was given credentials for the outward feed.
type FeedReader struct {
	Reader      string   `json:"reader"`
	PublicKey   string   `json:"public_key"`
	Prefectures []string `json:"prefectures"`
	// Since is when it was enrolled, Retired when it was retired; the zero time: it reads.
	Since   time.Time `json:"since"`
	Retired time.Time `json:"retired,omitzero"`
}

func (d *Directory) retireReader(reader string, at time.Time) {
	for i := range d.readers {
		if r := &d.readers[i]; r.Reader == reader && r.Retired.IsZero() {
			r.Retired = at
		}
	}
}

// FeedReaders returns everybody who was ever given credentials for the outward feed, in the order of enrolment.
func (d *Directory) FeedReaders() []FeedReader {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Clone(d.readers)
}

// FeedReader returns the reader of that name who is not retired.
func (d *Directory) FeedReader(name string) (FeedReader, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	i := slices.IndexFunc(d.readers, func(r FeedReader) bool { return r.Reader == name && r.Retired.IsZero() })
	if i < 0 {
		return FeedReader{}, false
	}
	return d.readers[i], true
}

// RetiredReaders returns the public keys of the readers who were retired.
func (d *Directory) RetiredReaders() (keys []string) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, r := range d.readers {
		if !r.Retired.IsZero() {
			keys = append(keys, r.PublicKey)
		}
	}
	return keys
}
