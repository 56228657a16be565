package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/directory/officefile"
	"shomei/pkg/intake"
	"shomei/pkg/ops"
	"shomei/pkg/registerlink"
)

const residentsHelp = `住民基本台帳からの異動の通知を、まとめて取り込みます。JSON(1行に1件)か CSV(1行目は列の名)で、- は標準入力です。
同じ番号(id)の通知は、何度取り込んでも一度だけ記録されます。誤りのある行は行番号と項目を示し、ほかの行は取り込みます。途中で
止まったら、もう一度取り込めば続きから行います。台帳のマシンでは、shomei counter enrol 役所 --role register --out フォルダー で作った
フォルダーを --bundle に、センターのマシンでは --office に役所を指定します。ファイルの始末は、渡した人が行ってください。
Takes in what the resident register notifies: JSON, one object a line, or CSV with a row of names; - is standard input. A notice is
recorded once for its id, however often it comes. A line that is wrong is named with its field, and the others go in. After an
interruption give the file again. On the register's own machine name the folder that shomei counter enrol OFFICE --role register
--out FOLDER made with --bundle, on the centre's machine the office with --office. Whoever wrote the file destroys it.

  {"id":"R-0001","change":"address","caused_on":"2026-04-01","record":{"resident_code":"…","name":"…","birth_date":"1990-06-18",
   "sex":2,"address":"…","registered":true,"municipality":"12237"}}

  id,change,caused_on,resident_code,municipality
  R-0002,death,2026-04-01,…,12237

CHANGE: `

// residentsCommand takes in what the resident register notifies.
func (a *app) residentsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "residents import", Short: "住民基本台帳からの通知 (what the resident register notifies)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var from registerFlags
	load := &cobra.Command{
		Use: "import FILE|-", Short: "異動の通知を取り込む (take in changes)", Long: residentsHelp + strings.Join(intake.ChangeWords(), " "),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.importResidents(cmd, from, args[0]) },
	}
	load.Flags().StringVar(&from.bundle, "bundle", "", "台帳のフォルダー (the register's folder, as shomei counter enrol --role register made it)")
	load.Flags().StringVar(&from.office, "office", "", "センターのマシンで、どの役所の台帳として取り込むか (on the centre's machine: the office whose register it is)")
	officerFlag(load, &from.officer, "")
	cmd.AddCommand(load)
	return cmd
}

// registerFlags say whose register it is.
type registerFlags struct{ bundle, office, officer string }

func (a *app) importResidents(cmd *cobra.Command, from registerFlags, file string) error {
	if (from.bundle == "") == (from.office == "") {
		return cli.Usage("say whose register it is: --bundle FOLDER or, on the centre's own machine, --office OFFICE")
	}
	if from.officer == "" {
		return errNoOfficer
	}
	in := cmd.InOrStdin()
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return err
		}
		defer opened.Close()
		in = opened
	}
	client, err := a.register(cmd.Context(), from)
	if err != nil {
		return err
	}
	defer client.Conn.Close()
	i := importing{app: a, cmd: cmd, client: client, officer: from.officer, file: file, count: make(map[events.RegisterResult]int)}
	return i.run(bufio.NewReader(in))
}

// register returns a client in the name of a register, which the caller closes: of one with a folder of its own or, on the
// centre's machine, of the one that the centre keeps for the office.
func (a *app) register(ctx context.Context, from registerFlags) (*registerlink.Client, error) {
	if from.bundle == "" {
		if err := officefile.CheckID(from.office); err != nil {
			return nil, cli.Usage("--office: %v", err)
		}
		from.bundle = filepath.Join(a.Data, "counters", from.office+"-register")
		if err := a.enrolOwnRegister(ctx, from); err != nil {
			return nil, err
		}
	}
	b, err := counterlink.ReadBundle(from.bundle)
	if err != nil {
		return nil, err
	}
	if b.Role != "register" {
		return nil, cli.Usage("%s is the folder of a %s, not of a register", from.bundle, b.Role)
	}
	secrets, err := b.Secrets()
	if err != nil {
		return nil, err
	}
	clock := ops.SystemClock()
	if b.Clock != "" {
		if clock, err = ops.OpenClock(b.Clock, time.Time{}); err != nil {
			return nil, err
		}
	}
	conn, err := b.Dial(secrets.Key)
	if err != nil {
		return nil, err
	}
	return &registerlink.Client{
		Conn: conn, Register: b.Counter, Office: b.Office, Key: secrets.Key, Gateway: secrets.HubSealKey, Clock: clock.Now,
	}, nil
}

// enrolOwnRegister has the running centre enrol the register that stands in the data folder, or renew its bundle.
func (a *app) enrolOwnRegister(ctx context.Context, from registerFlags) error {
	c, err := a.looking()
	if err != nil {
		return err
	}
	centre, err := hub.Operate(ctx, c, nil)
	if err != nil {
		return err
	}
	defer centre.Close()
	orders, err := centre.By(from.officer)
	if err != nil {
		return err
	}
	_, err = enrolInto(from.bundle, func(b bundleKeys) (hub.Enrolled, error) {
		return orders.Enrol(ctx, hub.Enrolment{
			Office: from.office, Counter: filepath.Base(from.bundle), Role: "register", Near: true, PublicKey: b.public, SealKey: b.seal,
		})
	})
	return err
}

// importing is one run of the command.
type importing struct {
	*app
	cmd           *cobra.Command
	client        *registerlink.Client
	officer, file string
	count         map[events.RegisterResult]int
	done          int // the last line of those that are done
	batch         []*events.RegisterChange
	lines         []int // of the batch
	bytes         int
}

const (
	// batchBytes bounds the changes of a batch, in bytes, well below what a batch may have.
	batchBytes = registerlink.MaxBatch / 2
	// maxNotice is more than any notice needs, in bytes.
	maxNotice = 64 << 10
)

// run imports the whole input and says at the end what became of it, or how far it came.
func (i *importing) run(in *bufio.Reader) error {
	err := i.all(in)
	if err == nil {
		return i.sum()
	}
	if i.done > 0 {
		_ = i.sum() // what stopped it says more
		fmt.Fprintf(i.cmd.ErrOrStderr(), i.Say("%s は %d 行目まで済みました。もう一度取り込むと、済んだ通知は飛ばして続けます。\n",
			"%s is done up to line %d. Give it again: what is recorded is passed over.\n"), i.file, i.done)
	}
	return err
}

// all reads and sends the whole input.
func (i *importing) all(in *bufio.Reader) error {
	read := noticesOfJSON(in)
	if first, err := in.Peek(1); err == nil && first[0] != '{' {
		if read, err = noticesOfCSV(in); err != nil {
			return cli.Usage("%s: %v", i.file, err)
		}
	}
	for {
		line, n, err := read()
		switch {
		case errors.Is(err, io.EOF):
			return i.send()
		case errors.Is(err, errUnreadable):
			i.wrong(line, err.Error())
			continue
		case err != nil:
			return fmt.Errorf("%s:%d: %w", i.file, line, err)
		}
		change, fault := n.change()
		if fault != nil {
			i.refused(line, *fault)
			continue
		}
		if err := i.add(line, change); err != nil {
			return err
		}
	}
}

// add adds a change to the batch, which is sent first if it is full.
func (i *importing) add(line int, change *events.RegisterChange) error {
	size := proto.Size(change)
	if len(i.batch) == registerlink.MaxChanges || i.bytes+size > batchBytes {
		if err := i.send(); err != nil {
			return err
		}
	}
	i.batch, i.lines, i.bytes = append(i.batch, change), append(i.lines, line), i.bytes+size
	return nil
}

// send has a batch recorded and says what is wrong with it.
func (i *importing) send() error {
	if len(i.batch) == 0 {
		return nil
	}
	outcomes, err := i.client.Send(i.cmd.Context(), i.officer, i.batch)
	for n, out := range outcomes {
		i.count[out.GetResult()]++
		for _, f := range out.GetFaults() {
			i.fault(i.lines[n], intake.Fault{Field: f.GetField(), Why: intake.Why(f.GetWhy()), Limit: int(f.GetLimit()), Possible: f.GetPossible()})
		}
		i.done = i.lines[n]
	}
	if err != nil {
		return err
	}
	i.batch, i.lines, i.bytes = nil, nil, 0
	fmt.Fprintf(i.cmd.ErrOrStderr(), i.Say("%d件\n", "%d changes\n"), i.total())
	return nil
}

func (i *importing) total() (n int) {
	for _, some := range i.count {
		n += some
	}
	return n
}

func (i *importing) wrong(line int, why string) {
	i.count[events.RegisterResult_REGISTER_RESULT_REFUSED]++
	fmt.Fprintf(i.cmd.ErrOrStderr(), "%s:%d: %s\n", i.file, line, why)
}

// refused counts a change that is not even sent.
func (i *importing) refused(line int, f intake.Fault) {
	i.count[events.RegisterResult_REGISTER_RESULT_REFUSED]++
	i.fault(line, f)
}

// fault says what is wrong with a line.
func (i *importing) fault(line int, f intake.Fault) {
	fmt.Fprintf(i.cmd.ErrOrStderr(), "%s:%d: %s: %s\n", i.file, line, strings.TrimPrefix(f.Field, "person."), i.words(f))
}

// sum prints how many changes ended how.
func (i *importing) sum() error {
	refused, waits := events.RegisterResult_REGISTER_RESULT_REFUSED, events.RegisterResult_REGISTER_RESULT_WAITS
	for _, row := range []struct {
		result events.RegisterResult
		text   string
	}{
		{events.RegisterResult_REGISTER_RESULT_RECORDED, i.Say("記録しました", "recorded")},
		{events.RegisterResult_REGISTER_RESULT_KNOWN, i.Say("記録済みでした", "recorded before")},
		{events.RegisterResult_REGISTER_RESULT_NOBODY, i.Say("電子証明書の利用者ではありません", "of nobody who has applied for a certificate")},
		{waits, i.Say("届きましたが、まだ判定されていません", "arrived and not decided yet")},
		{refused, i.Say("誤りがあり、取り込んでいません", "wrong, and not taken in")},
	} {
		fmt.Fprintf(i.cmd.OutOrStdout(), "%7d %s\n", i.count[row.result], row.text)
	}
	switch {
	case i.count[refused] > 0:
		return cli.Exit(cli.ItemsFailed, errors.New(i.Say("誤りのある行を直して、もう一度取り込んでください", "correct the lines that are wrong and give the file again")))
	case i.count[waits] > 0:
		return cli.Exit(cli.TryLater, errors.New(i.Say("あとでもう一度取り込むと、判定されたかが分かります", "give the file again later to see what was decided")))
	}
	return nil
}

// faultsJA holds what is wrong with a field, in Japanese.
var faultsJA = map[intake.Why]string{
	intake.Unprintable: "改行などの制御文字があります", intake.NoDay: "日付として読めません(1990-06-18、平成2年6月18日など)", intake.NotPast: "まだ来ていない日です",
	intake.TooOld: "150年より前の日です", intake.NoCode: "11桁の数字ではありません", intake.NoMunicipal: "団体コード(5桁か6桁)ではありません",
	intake.Unknown: "使える値ではありません", intake.Missing: "必要です",
}

// words says what is wrong with a field.
func (i *importing) words(f intake.Fault) string {
	english := strings.TrimPrefix(f.Error(), f.Field+": ")
	switch japanese := faultsJA[f.Why]; {
	case i.Lang == "en":
		return english
	case f.Limit > 0:
		return fmt.Sprintf("%d文字までです", f.Limit)
	case len(f.Possible) > 0:
		return japanese + ": " + strings.Join(f.Possible, " ")
	case japanese != "":
		return japanese
	}
	return english
}

// errUnreadable: a line is no notice; the next may be one. Its text repeats nothing of the line.
var errUnreadable = errors.New("この行は読めません (this line can't be read)")

// lineReader returns the next notice and the number of its line, or io.EOF.
type lineReader func() (line int, n registerLine, err error)

// registerLine is a change as it stands on a line of JSON.
type registerLine struct {
	ID        string          `json:"id"`
	Change    string          `json:"change"`
	CausedOn  string          `json:"caused_on"`
	PlannedOn string          `json:"planned_on"`
	KeepUsing bool            `json:"keep_using"`
	Record    json.RawMessage `json:"record"`
}

// change returns the notice as it is sent, or what is wrong with a part that can't be sent at all.
func (n registerLine) change() (*events.RegisterChange, *intake.Fault) {
	kind, known := intake.ChangeOf(n.Change)
	if !known {
		return nil, &intake.Fault{Field: "change", Why: intake.Unknown, Possible: intake.ChangeWords()}
	}
	record := &events.ResidentRecord{}
	if len(n.Record) > 0 && protojson.Unmarshal(n.Record, record) != nil {
		return nil, &intake.Fault{Field: "record", Why: intake.Unknown}
	}
	return &events.RegisterChange{
		Id: n.ID, Record: record,
		Told: &events.RecordChangeNotified{Change: kind.Kind, CausedOn: n.CausedOn, PlannedOn: n.PlannedOn, KeepUsing: n.KeepUsing},
	}, nil
}

// noticesOfJSON reads one object a line; empty lines are passed over.
func noticesOfJSON(in *bufio.Reader) lineReader {
	line := 0
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxNotice)
	return func() (int, registerLine, error) {
		for lines.Scan() {
			line++
			text := bytes.TrimSpace(lines.Bytes())
			if len(text) == 0 {
				continue
			}
			var n registerLine
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&n); err != nil || decoder.More() {
				return line, registerLine{}, errUnreadable
			}
			return line, n, nil
		}
		if err := lines.Err(); err != nil {
			return line + 1, registerLine{}, err
		}
		return line, registerLine{}, io.EOF
	}
}

// noticesOfCSV reads a row of names and then one change a row. The names are those of JSON, the record's among the others.
func noticesOfCSV(in *bufio.Reader) (lineReader, error) {
	rows := csv.NewReader(in)
	rows.TrimLeadingSpace = true
	names, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("1行目の列の名が読めません (the row of names can't be read): %w", err)
	}
	names[0] = strings.TrimPrefix(names[0], "\ufeff")
	for _, name := range names {
		if _, own := columns[name]; !own && recordColumn(name) == nil {
			return nil, fmt.Errorf("%q という列はありません (there is no such column)", name)
		}
	}
	return func() (int, registerLine, error) {
		var c registerLine
		row, err := rows.Read()
		var broken *csv.ParseError
		switch {
		case errors.As(err, &broken):
			return broken.Line, c, errUnreadable
		case err != nil:
			return 0, c, err
		}
		line, _ := rows.FieldPos(0)
		record := make(map[string]any)
		for i, cell := range row {
			set, own := columns[names[i]]
			switch {
			case own:
				err = errors.Join(err, set(&c, cell))
			case cell != "":
				value, wrong := recordCell(names[i], cell)
				record[names[i]], err = value, errors.Join(err, wrong)
			}
		}
		if err != nil {
			return line, c, errUnreadable
		}
		c.Record, err = json.Marshal(record)
		return line, c, err
	}, nil
}

// columns are those of the change itself.
var columns = map[string]func(c *registerLine, cell string) error{
	"id":         func(c *registerLine, cell string) error { c.ID = cell; return nil },
	"change":     func(c *registerLine, cell string) error { c.Change = cell; return nil },
	"caused_on":  func(c *registerLine, cell string) error { c.CausedOn = cell; return nil },
	"planned_on": func(c *registerLine, cell string) error { c.PlannedOn = cell; return nil },
	"keep_using": func(c *registerLine, cell string) (err error) { c.KeepUsing, err = yes(cell); return err },
}

func yes(cell string) (bool, error) {
	if cell == "" {
		return false, nil
	}
	return strconv.ParseBool(cell)
}

// recordColumn returns the field of a resident record that a column holds, or nil.
func recordColumn(name string) protoreflect.FieldDescriptor {
	return (*events.ResidentRecord)(nil).ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name))
}

// recordCell returns a cell as the value of its field.
func recordCell(name, cell string) (any, error) {
	switch recordColumn(name).Kind() {
	case protoreflect.BoolKind:
		return yes(cell)
	case protoreflect.Uint32Kind:
		return strconv.ParseUint(cell, 10, 32)
	}
	return cell, nil
}
