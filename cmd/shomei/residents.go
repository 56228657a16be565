package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/intake"
)

const residentsHelp = `住民基本台帳からの異動の通知を、まとめて取り込みます。JSON(1行に1件)か CSV(1行目は列の名)で、- は標準入力です。
同じ番号(id)の通知は、何度取り込んでも一度だけ記録されます。誤りのある行は行番号と項目を示し、ほかの行は取り込みます。
ファイルの始末は、渡した人が行ってください。
Takes in what the resident register notifies: JSON, one object a line, or CSV with a row of names; - is standard input. A notice is
recorded once for its id, however often it comes. A line that is wrong is named with its field, and the others go in. Whoever wrote
the file destroys it.

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
	var r reporting
	load := &cobra.Command{
		Use: "import FILE|-", Short: "異動の通知を取り込む (take in changes)", Long: residentsHelp + strings.Join(intake.ChangeWords(), " "),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer file.Close()
				in = file
			}
			orders, done, err := a.orders(cmd, r.officer)
			if err != nil {
				return err
			}
			defer done()
			i := importing{app: a, cmd: cmd, orders: orders, office: r.office, file: args[0], count: make(map[hub.RegisterResult]int)}
			return i.all(bufio.NewReader(in))
		},
	}
	r.bind(load)
	cmd.AddCommand(load)
	return cmd
}

// importing is one run of the command.
type importing struct {
	*app
	cmd          *cobra.Command
	orders       hub.Operator
	office, file string
	count        map[hub.RegisterResult]int
	batch        []hub.RegisterChange
	lines        []int // of the batch
	bytes        int
}

// A batch is short enough for one order, and its last decision for the patience of those who wait.
const (
	batchChanges = 50
	batchBytes   = 256 << 10
	// maxNotice is more than any notice needs, in bytes.
	maxNotice = 64 << 10
)

// all reads the whole input and says at the end what became of it.
func (i *importing) all(in *bufio.Reader) error {
	read := noticesOfJSON(in)
	if first, err := in.Peek(1); err == nil && first[0] != '{' {
		if read, err = noticesOfCSV(in); err != nil {
			return cli.Usage("%s: %v", i.file, err)
		}
	}
	for {
		line, change, err := read()
		switch {
		case errors.Is(err, io.EOF):
			if err := i.send(); err != nil {
				return err
			}
			return i.sum()
		case errors.Is(err, errUnreadable):
			i.wrong(line, err.Error())
			continue
		case err != nil:
			return fmt.Errorf("%s:%d: %w", i.file, line, err)
		}
		size := len(change.Record) + len(change.ID) + 100
		if len(i.batch) == batchChanges || i.bytes+size > batchBytes {
			if err := i.send(); err != nil {
				return err
			}
		}
		i.batch, i.lines, i.bytes = append(i.batch, change), append(i.lines, line), i.bytes+size
	}
}

// send has a batch recorded and says what is wrong with it.
func (i *importing) send() error {
	if len(i.batch) == 0 {
		return nil
	}
	outcomes, err := i.orders.ChangeByRegister(i.cmd.Context(), hub.RegisterChanges{Office: i.office, Changes: i.batch})
	if err != nil {
		return err
	}
	for n, out := range outcomes {
		i.count[out.Result]++
		for _, f := range out.Faults {
			fmt.Fprintf(i.cmd.ErrOrStderr(), "%s:%d: %s: %s\n", i.file, i.lines[n], strings.TrimPrefix(f.Field, "person."), i.fault(f))
		}
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
	i.count[hub.ChangeRefused]++
	fmt.Fprintf(i.cmd.ErrOrStderr(), "%s:%d: %s\n", i.file, line, why)
}

// sum prints how many changes ended how.
func (i *importing) sum() error {
	for _, row := range []struct {
		result hub.RegisterResult
		text   string
	}{
		{hub.ChangeRecorded, i.Say("記録しました", "recorded")},
		{hub.ChangeKnown, i.Say("記録済みでした", "recorded before")},
		{hub.ChangeNobody, i.Say("電子証明書の利用者ではありません", "of nobody who has applied for a certificate")},
		{hub.ChangeWaits, i.Say("届きましたが、まだ判定されていません", "arrived and not decided yet")},
		{hub.ChangeRefused, i.Say("誤りがあり、取り込んでいません", "wrong, and not taken in")},
	} {
		fmt.Fprintf(i.cmd.OutOrStdout(), "%7d %s\n", i.count[row.result], row.text)
	}
	switch {
	case i.count[hub.ChangeRefused] > 0:
		return cli.Exit(cli.ItemsFailed, errors.New(i.Say("誤りのある行を直して、もう一度取り込んでください", "correct the lines that are wrong and give the file again")))
	case i.count[hub.ChangeWaits] > 0:
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

// fault says what is wrong with a field.
func (i *importing) fault(f intake.Fault) string {
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

// lineReader returns the next change and the number of its line, or io.EOF.
type lineReader func() (line int, change hub.RegisterChange, err error)

// registerLine is a change as it stands on a line of JSON.
type registerLine struct {
	ID        string          `json:"id"`
	Change    string          `json:"change"`
	CausedOn  string          `json:"caused_on"`
	PlannedOn string          `json:"planned_on"`
	KeepUsing bool            `json:"keep_using"`
	Record    json.RawMessage `json:"record"`
}

// noticesOfJSON reads one object a line; empty lines are passed over.
func noticesOfJSON(in *bufio.Reader) lineReader {
	line := 0
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxNotice)
	return func() (int, hub.RegisterChange, error) {
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
				return line, hub.RegisterChange{}, errUnreadable
			}
			return line, hub.RegisterChange{
				ID: n.ID, Change: n.Change, CausedOn: n.CausedOn, PlannedOn: n.PlannedOn, KeepUsing: n.KeepUsing, Record: bytes.Clone(n.Record),
			}, nil
		}
		if err := lines.Err(); err != nil {
			return line + 1, hub.RegisterChange{}, err
		}
		return line, hub.RegisterChange{}, io.EOF
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
	return func() (int, hub.RegisterChange, error) {
		var c hub.RegisterChange
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
var columns = map[string]func(c *hub.RegisterChange, cell string) error{
	"id":         func(c *hub.RegisterChange, cell string) error { c.ID = cell; return nil },
	"change":     func(c *hub.RegisterChange, cell string) error { c.Change = cell; return nil },
	"caused_on":  func(c *hub.RegisterChange, cell string) error { c.CausedOn = cell; return nil },
	"planned_on": func(c *hub.RegisterChange, cell string) error { c.PlannedOn = cell; return nil },
	"keep_using": func(c *hub.RegisterChange, cell string) (err error) { c.KeepUsing, err = yes(cell); return err },
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
