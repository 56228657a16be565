package simulation

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"shomei/cmd/shomei-lab/population"
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
	"shomei/pkg/warehouse"
	"shomei/services/projector"
)

// Lives are what a log says of its people, kept to be told again of others.
type Lives struct {
	people []*lifeTold
	others []warehouse.Read // of offices, authorities and cards
}

// ReadLives reads a whole log into memory.
func ReadLives(ctx context.Context, log *eventlog.Log) (*Lives, error) {
	told, order := make(map[string]*lifeTold), []string{}
	l := &Lives{}
	err := log.Scan(ctx, nil, nil, func(r eventlog.Record, err error) error {
		if err != nil {
			return err
		}
		read := projector.Read(r)
		if r.Kind != events.KindSubscriber {
			l.others = append(l.others, read)
			return nil
		}
		if told[r.ID] == nil {
			told[r.ID] = &lifeTold{}
			order = append(order, r.ID)
		}
		told[r.ID].commits = append(told[r.ID].commits, read)
		return nil
	})
	for _, id := range order {
		told[id].prepare()
		l.people = append(l.people, told[id])
	}
	return l, err
}

// Certificates returns how many certificates the lives have.
func (l *Lives) Certificates() (n int) {
	for _, p := range l.people {
		n += p.certificates
	}
	return n
}

// commitsAtOnce is how many commits are written at once.
const commitsAtOnce = 50000

// Fill fills empty tables with certificates, by the rows that the projector makes of the commits: first those of the
// log, as they are, and then the same lives again and again under other identities, in other places, some weeks
// earlier. The state that a commit carries stays as it was and knows the certificates by their serial numbers in the log:
// in the copies, facts lack what only the state says (the operation and channel of an issue, the kind of what was
// delivered). progress is told the number of certificates.
func (l *Lives) Fill(ctx context.Context, w *warehouse.Warehouse, certificates int, progress func(int)) error {
	return w.Fill(ctx, func(ctx context.Context, t *warehouse.Target) error {
		group, together := errgroup.WithContext(ctx)
		empty, full := make(chan *warehouse.Batch, 2), make(chan *warehouse.Batch, 2)
		empty <- warehouse.NewBatch()
		empty <- warehouse.NewBatch()
		group.Go(func() error {
			defer close(full)
			return l.tell(together, certificates, empty, full, progress)
		})
		group.Go(func() error {
			for batch := range full {
				if err := t.Write(together, batch); err != nil {
					return err
				}
				empty <- batch
			}
			return nil
		})
		return group.Wait()
	}, nil)
}

// tell makes batches of the lives until there are enough certificates.
func (l *Lives) tell(ctx context.Context, certificates int, empty <-chan *warehouse.Batch, full chan<- *warehouse.Batch, progress func(int)) error {
	if l.Certificates() == 0 {
		return fmt.Errorf("the log has no certificates to tell of")
	}
	batch := <-empty
	add := func(reads []warehouse.Read) error {
		for _, r := range reads {
			batch.Add(r)
		}
		if batch.Commits() < commitsAtOnce {
			return nil
		}
		full <- batch
		select {
		case batch = <-empty:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := add(l.others); err != nil {
		return err
	}
	if certificates > l.Certificates() { // some live elsewhere
		if err := add(l.offices()); err != nil {
			return err
		}
	}
	for copied, n := uint64(0), 0; n < certificates; copied++ {
		for i, p := range l.people {
			if n >= certificates {
				break
			}
			p.become(copied, uint64(i))
			if err := add(p.commits); err != nil {
				return err
			}
			n += p.certificates
		}
		progress(n)
	}
	full <- batch
	return nil
}

// towns are the places of a whole country, the largest first: those of the log, and invented ones under codes that no
// municipality has.
var towns = func() (list []string) {
	for _, p := range population.Places {
		list = append(list, p.Code)
	}
	const prefectures, each = 47, 40
	for i := range prefectures * each {
		list = append(list, fmt.Sprintf("%02d%03d", i%prefectures+1, 900+i/prefectures))
	}
	return list
}()

// townsUpTo are the sums of the towns' weights: the n-th largest town is a tenth as large as the largest when n is 90.
var townsUpTo = func() (sums []float64) {
	sum := 0.0
	for i := range towns {
		sum += 1 / float64(i+10)
		sums = append(sums, sum)
	}
	return sums
}()

// officeOf returns the id of a town's office.
func officeOf(code string) string { return code + "-main" }

// offices returns the definitions of the invented towns' offices.
func (l *Lives) offices() (list []warehouse.Read) {
	for _, code := range towns[len(population.Places):] {
		e := events.New(population.Place{Code: code, City: code}.Definition())
		e.RecordedMs = l.people[0].commits[0].Commit.Events[0].RecordedMs
		list = append(list, warehouse.Read{Commit: &events.Commit{
			Kind: events.KindOffice, Id: officeOf(code), Revision: 1, Events: []*events.Event{e},
		}})
	}
	return list
}

// lifeTold is one person's commits, and what of them is another's when they are told of another.
type lifeTold struct {
	commits      []warehouse.Read
	certificates int
	home         int // of towns
	lived        []string
	serials      []edit[uint64]
	instants     []edit[int64]
	days         []edit[civil.Date]
	ids, places  []edit[string]
}

// edit is a field of a commit, and what it was in the log.
type edit[T any] struct {
	number *uint64
	time   *int64
	text   *string
	was    T
}

// prepare finds what identifies the person, the places and the times.
func (l *lifeTold) prepare() {
	serials := make(map[uint64]bool)
	for i := range l.commits {
		c := l.commits[i].Commit
		l.lived = append(l.lived, l.commits[i].Municipality)
		l.find(reflect.ValueOf(c).Elem())
		for _, e := range c.Events {
			if b := e.GetIssueAuthorized(); b != nil {
				serials[b.Serial] = true
			}
		}
		if town := slices.Index(towns, l.commits[i].Municipality); l.home == 0 && town > 0 {
			l.home = town
		}
	}
	l.certificates = len(serials)
}

// What identifies a person, by the names of the fields. Procedures keep theirs: it is one person's alone, and the carried
// state names it, too.
var (
	serialFields = []string{"Serial", "Serials", "Parent", "Replaces"}
	idFields     = []string{"Id", "Card", "OldCard", "Notice", "Letter", "Device"}
)

// find walks through a message.
func (l *lifeTold) find(v reflect.Value) {
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Type().Field(i).IsExported() && name != "Actor" {
			l.field(name, v.Field(i))
		}
	}
}

func (l *lifeTold) field(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && v.Elem().Kind() == reflect.Struct {
			l.find(v.Elem())
		} else if !v.IsNil() && v.Kind() == reflect.Interface {
			l.field(name, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			l.field(name, v.Index(i))
		}
	case reflect.Uint64:
		if slices.Contains(serialFields, name) && v.Uint() != 0 {
			l.serials = append(l.serials, edit[uint64]{number: v.Addr().Interface().(*uint64), was: v.Uint()})
		}
	case reflect.Int64:
		if strings.HasSuffix(name, "Ms") && v.Int() != 0 {
			l.instants = append(l.instants, edit[int64]{time: v.Addr().Interface().(*int64), was: v.Int()})
		}
	case reflect.String:
		l.text(name, v.Addr().Interface().(*string))
	}
}

func (l *lifeTold) text(name string, at *string) {
	const shortest = 12
	day, err := civil.Parse(*at)
	switch {
	case err == nil && !day.IsZero():
		l.days = append(l.days, edit[civil.Date]{text: at, was: day})
	case name == "Municipality" || name == "Office" || name == "Counter":
		l.places = append(l.places, edit[string]{text: at, was: *at})
	case slices.Contains(idFields, name) && len(*at) >= shortest:
		l.ids = append(l.ids, edit[string]{text: at, was: *at})
	}
}

// Odd numbers that scatter the copies: a product with one, cut to a power of two, meets nothing twice.
const (
	scatterSerial = 0x9e3779b97f4a7c15
	scatterID     = 0x2545f491
	scatterTown   = 0xbf58476d1ce4e5b9
)

// become changes the commits to those of somebody else; the zeroth are the log's own.
func (l *lifeTold) become(copied, person uint64) {
	for _, e := range l.serials {
		*e.number = e.was + copied*scatterSerial
	}
	const weeks, week = 52, 7
	back := -week * int((copied*5+person*copied)%weeks)
	for _, e := range l.instants {
		*e.time = e.was + int64(back)*24*3600*1000
	}
	for _, e := range l.days {
		*e.text = e.was.AddDays(back).String()
	}
	for _, e := range l.ids {
		*e.text = another(e.was, copied)
	}
	away := l.away(copied, person)
	for _, e := range l.places {
		*e.text = elsewhere(e.was, away)
	}
	for i := range l.commits {
		l.commits[i].Municipality = elsewhere(l.lived[i], away)
	}
}

// another returns an id with another beginning; copy 0 is the id itself.
func another(id string, copied uint64) string {
	if copied == 0 {
		return id
	}
	const letters, bits, length = "abcdefghijklmnopqrstuvwxyz234567", 5, 6
	var begin [length]byte
	n := copied * scatterID
	for i := range length {
		n += uint64(id[i]) << (bits * i)
	}
	for i := range begin {
		begin[i] = letters[n>>(bits*i)&(1<<bits-1)]
	}
	return string(begin[:]) + id[length:]
}

// away returns how many towns further on a copy lives.
func (l *lifeTold) away(copied, person uint64) int {
	if copied == 0 {
		return 0
	}
	at := float64((copied*scatterTown+person*scatterSerial)>>11) / (1 << 53) * townsUpTo[len(townsUpTo)-1]
	town, _ := slices.BinarySearch(townsUpTo, at)
	return town - l.home
}

// townNumber is the place of a code in towns.
var townNumber = func() map[string]int {
	numbers := make(map[string]int, len(towns))
	for i, code := range towns {
		numbers[code] = i
	}
	return numbers
}()

// elsewhere moves a text that begins with a town's code to the town so many further on.
func elsewhere(text string, away int) string {
	const digits = 5
	if away == 0 || len(text) < digits {
		return text
	}
	number, known := townNumber[text[:digits]]
	if !known {
		return text
	}
	return towns[((number+away)%len(towns)+len(towns))%len(towns)] + text[digits:]
}
