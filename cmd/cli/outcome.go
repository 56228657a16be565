package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/counterlink"
	"shomei/pkg/directory/officefile"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/lifecycle"
	"shomei/pkg/ops"
	"shomei/pkg/registerlink"
	"shomei/pkg/secret"
	"shomei/pkg/vault"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/engine"
)

// Exit codes (README "Exit codes").
const (
	Failed      = 1
	Misuse      = 2
	Found       = 3
	ItemsFailed = 4
	Unreachable = 69
	TryLater    = 75
	BadConfig   = 78
	Interrupted = 130
)

// ExitError carries an exit code; with a nil Cause everything has already been said.
type ExitError struct {
	Code  int
	Cause error
}

// Error returns the cause's text, or "".
func (e *ExitError) Error() string {
	if e.Cause == nil {
		return ""
	}
	return e.Cause.Error()
}

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Cause }

// Exit gives a failure its own exit code; with a nil cause everything has already been said.
func Exit(code int, cause error) error { return &ExitError{Code: code, Cause: cause} }

// Usage returns an error for the misuse of a command.
func Usage(format string, args ...any) error {
	return Exit(Misuse, fmt.Errorf(format, args...))
}

// Explained is an error that can explain, in the language ja or en, what is wrong and what to do.
type Explained interface {
	error
	Explain(lang string) string
}

// known lists the failures that an operator can do something about: the exit code for scripts, and what happened and
// what to do next in Japanese. The first that fits counts.
var known = []struct {
	err      error
	code     int
	japanese string
}{
	{hub.ErrNoData, BadConfig, "このフォルダーにはセンターのデータがありません。--data で場所を指定するか、make run で始めてください。"},
	{hub.ErrRuns, TryLater, "このデータでは、センターがもう動いています。そのままお使いください。始め直すときは、先に止めてください。"},
	{hub.ErrHeld, TryLater, "別のプログラムがこのデータを使っています。それが終わってから、やり直してください。"},
	{hub.ErrNotRunning, Unreachable, "センターが動いていません。shomei all で始めてから、もう一度命じてください。"},
	{counterlink.ErrBundle, BadConfig, "フォルダー（--bundle）が使えません。センターで登録したときのフォルダーを指定してください。"},
	{registerlink.ErrUnavailable, Unreachable, "センターの受け口につながりません。センターが動いているか、台帳の登録が取り消されていないかを確かめ、もう一度取り込んでください。"},
	{registerlink.ErrRefused, Failed, "センターの受け口はこれを受け付けません。かっこ内の理由を確かめてください。"},
	{hub.ErrRefused, Failed, "センターはこれを受け付けません。かっこ内の理由を確かめてください。"},
	{officefile.ErrFile, BadConfig, "役所の定めに誤りがあります。示された行を直してください。書き方は shomei office define --help にあります。"},
	{ErrNoOffice, Failed, "その役所はありません。shomei office list で確かめてください。"},
	{engine.ErrNoLibrary, BadConfig, "ClickHouse エンジンのライブラリーがありません。make engine を実行してください。"},
	{ops.ErrConfig, BadConfig, "設定に誤りがあります。示された箇所を直してください。"},
	{hubserver.ErrConfig, BadConfig, "NATS の設定に誤りがあります。示された箇所を直してください。"},
	{hubserver.ErrSpace, TryLater, "ディスクの空きが足りません。かっこ内の場所に、示された大きさの空きを作ってから、やり直してください。"},
	{eventlog.ErrLayout, BadConfig, "ストリームの数が記録と合いません。始めたときと同じ --streams を指定してください。"},
	{lifecycle.ErrSimulatedLog, BadConfig, "この記録は別の種類の時計で始められました。別の --data フォルダーを使ってください。"},
	{secret.ErrLocked, BadConfig, "鍵が暗号化されています。開くもの(合言葉、資格、PIN)を、設定の [keys] か --unlock-file で示してください。"},
	{secret.ErrWrong, BadConfig, "それでは鍵が開きません。合言葉、資格、PIN が、この鍵を暗号化したときのものか確かめてください。"},
	{secret.ErrPlain, BadConfig, "暗号化されているはずの鍵が平文です。誰が置いたものか調べてください。shomei keys seal で暗号化できます。"},
	{vault.ErrMasterKey, BadConfig, "マスター鍵が合いません。keys/master.key をバックアップから戻してください。"},
	{vault.ErrGone, BadConfig, "鍵の保管庫(vault)がありません。新しくは作りません。いちばん新しい控えから戻してください。"},
	{vault.ErrOtherVault, BadConfig, "鍵の保管庫(vault)が、この記録のものではありません。この記録の保管庫を戻してください。"},
	{vault.ErrInUse, TryLater, "センターが動いている間は鍵を開けません。止めてからやり直してください。"},
	{eventlog.ErrFull, TryLater, "記録する場所がありません。ディスクを空けてからやり直してください。"},
	{hub.ErrRebuilding, TryLater, "表を記録から作り直しています。どこまで進んだかは集計の画面で分かります。終わってから、やり直してください。"},
	{warehouse.ErrDamaged, Failed, "表が壊れています。センターを始めると、記録から作り直します。"},
	{engine.ErrStart, Failed, "ClickHouse エンジンが始まりません。センターを始めると、表を記録から作り直します。"},
	{warehouse.ErrUnavailable, Unreachable, "ClickHouse につながりません。データフォルダーの engine.log をご覧ください。"},
	{nats.ErrNoServers, Unreachable, "センターにつながりません。データフォルダーの running.json にあるプロセスを確かめ、応答しないままなら止めて、始め直してください。"},
	{warehouse.ErrNotFound, Failed, "その番号の電子証明書も利用者もありません。番号と --at の日を確かめてください。"},
	{ErrNotInLog, Failed, "その番号の記録はありません。番号を確かめてください。利用者の番号は、shomei state にシリアル番号を渡すか、集計の画面で分かります。"},
	{eventlog.ErrParked, Failed, "記録の一部が壊れ、どの控えにもないため、止めています。控えがあれば shomei log repair で戻せます。なければ、ふたりで shomei log close で閉じます。"},
	{eventlog.ErrBehindMark, Failed, "記録の末尾が失われています。サービスは始めません。shomei log repair に控えを示して戻してください。"},
	{eventlog.ErrDamaged, Failed, "記録が壊れています。shomei log repair で箇所を調べ、控えから戻してください。"},
	{eventlog.ErrForged, Failed, "信頼できない書き込みが記録にあります。shomei fsck で箇所を調べてください。"},
	{syscall.EADDRINUSE, TryLater, "その場所(アドレスとポート)は、別のプログラムが使っています。それを止めるか、別の場所を指定してください。"},
	{fs.ErrPermission, Failed, "読み書きする権限がありません。持ち主の利用者で命じるか、場所を確かめてください。"},
	{fs.ErrNotExist, Failed, noFile},
}

const noFile = "示されたファイルかフォルダーがありません。場所を確かめてください。"

// ErrNotInLog: the log holds no history of an id.
var ErrNotInLog = errors.New("the log holds no")

// ErrNoOffice: the log has no office with an id.
var ErrNoOffice = errors.New("there is no office")

// outcome reports why a command failed, once, and returns its exit code. Whatever failed before the command itself
// began was a misuse.
func (a *App) outcome(ctx context.Context, cmd *cobra.Command, err error, out io.Writer) int {
	if err == nil {
		return 0
	}
	code, japanese := a.judge(ctx, err)
	var explained Explained
	switch text := strings.Join(strings.Fields(err.Error()), " "); {
	case text == "":
	case errors.As(err, &explained):
		fmt.Fprintf(out, "%s: %s\n", a.name, explained.Explain(a.Lang))
	case japanese != "" && a.Lang != "en":
		fmt.Fprintf(out, "%s: %s (%s)\n", a.name, japanese, text)
	default:
		fmt.Fprintf(out, "%s: %s\n", a.name, text)
	}
	if code == Misuse {
		fmt.Fprintln(out, a.Say("使い方:", "usage:"), cmd.CommandPath(), "--help")
	}
	return code
}

func (a *App) judge(ctx context.Context, err error) (code int, japanese string) {
	var exit *ExitError
	if !errors.As(err, &exit) && !a.begun {
		exit = &ExitError{Code: Misuse}
	}
	for _, k := range known {
		if exit == nil && errors.Is(err, k.err) {
			return k.code, k.japanese
		}
	}
	switch {
	case exit != nil && exit.Code == Misuse && errors.Is(err, fs.ErrNotExist):
		return Misuse, noFile
	case exit != nil && exit.Code == Misuse:
		return Misuse, "コマンドの使い方が違います。"
	case exit != nil && exit.Code == ItemsFailed:
		return ItemsFailed, "一部ができませんでした。"
	case exit != nil:
		return exit.Code, ""
	case ctx.Err() != nil:
		return Interrupted, "中断しました。"
	}
	return Failed, "できませんでした。"
}

// Say returns the text in the user's language.
func (a *App) Say(japanese, english string) string {
	if a.Lang == "en" {
		return english
	}
	return japanese
}
