package main

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

	"shomei/cmd/shomei/control"
	"shomei/cmd/shomei/hub"
	"shomei/cmd/shomei/story"
	"shomei/pkg/directory/officefile"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/lifecycle"
	"shomei/pkg/ops"
	"shomei/pkg/vault"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/engine"
)

// Exit codes (README "Exit codes").
const (
	exitFailed      = 1
	exitUsage       = 2
	exitFound       = 3
	exitItemsFailed = 4
	exitUnreachable = 69
	exitTryLater    = 75
	exitConfig      = 78
	exitInterrupted = 130
)

// exitError carries an exit code; a nil cause has said what there is to say already.
type exitError struct {
	code  int
	cause error
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

func (e *exitError) Unwrap() error { return e.cause }

// usage makes a misuse of a command an exit code of its own.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// known are the failures that an operator can do something about: the exit code that scripts go by, and what happened
// and what to do next in Japanese. The first that fits counts.
var known = []struct {
	err      error
	code     int
	japanese string
}{
	{hub.ErrNoData, exitConfig, "このフォルダーにはセンターのデータがありません。--data で場所を指定するか、make run で始めてください。"},
	{hub.ErrRuns, exitTryLater, "このデータでは、センターがもう動いています。そのままお使いください。始め直すときは、先に止めてください。"},
	{hub.ErrHeld, exitTryLater, "別のプログラムがこのデータを使っています。それが終わってから、やり直してください。"},
	{control.ErrNotRunning, exitUnreachable, "センターが動いていません。shomei all で始めてから、もう一度命じてください。"},
	{hub.ErrRefused, exitFailed, "センターはこれを受け付けません。かっこ内の理由を確かめてください。"},
	{officefile.ErrFile, exitConfig, "役所の定めに誤りがあります。示された行を直してください。書き方は shomei office define --help にあります。"},
	{errNoOffice, exitFailed, "その役所はありません。shomei office list で確かめてください。"},
	{engine.ErrNoLibrary, exitConfig, "ClickHouse エンジンのライブラリーがありません。make engine を実行してください。"},
	{ops.ErrConfig, exitConfig, "設定に誤りがあります。示された箇所を直してください。"},
	{hubserver.ErrConfig, exitConfig, "NATS の設定に誤りがあります。示された箇所を直してください。"},
	{hubserver.ErrSpace, exitTryLater, "ディスクの空きが足りません。かっこ内の場所に、示された大きさの空きを作ってから、やり直してください。"},
	{eventlog.ErrLayout, exitConfig, "ストリームの数が記録と合いません。始めたときと同じ --streams を指定してください。"},
	{lifecycle.ErrSimulatedLog, exitConfig, "この記録は別の種類の時計で始められました。別の --data フォルダーを使ってください。"},
	{vault.ErrMasterKey, exitConfig, "マスター鍵が合いません。keys/master.key をバックアップから戻してください。"},
	{vault.ErrGone, exitConfig, "鍵の保管庫(vault)がありません。新しくは作りません。いちばん新しい控えから戻してください。"},
	{vault.ErrOtherVault, exitConfig, "鍵の保管庫(vault)が、この記録のものではありません。この記録の保管庫を戻してください。"},
	{vault.ErrInUse, exitTryLater, "センターが動いている間は鍵を開けません。止めてからやり直してください。"},
	{eventlog.ErrFull, exitTryLater, "記録する場所がありません。ディスクを空けてからやり直してください。"},
	{hub.ErrRebuilding, exitTryLater, "表を記録から作り直しています。どこまで進んだかは集計の画面で分かります。終わってから、やり直してください。"},
	{warehouse.ErrDamaged, exitFailed, "表が壊れています。センターを始めると、記録から作り直します。"},
	{engine.ErrStart, exitFailed, "ClickHouse エンジンが始まりません。センターを始めると、表を記録から作り直します。"},
	{warehouse.ErrUnavailable, exitUnreachable, "ClickHouse につながりません。データフォルダーの engine.log をご覧ください。"},
	{nats.ErrNoServers, exitUnreachable, "センターにつながりません。データフォルダーの running.json にあるプロセスを確かめ、応答しないままなら止めて、始め直してください。"},
	{warehouse.ErrNotFound, exitFailed, "その番号の電子証明書も利用者もありません。番号と --at の日を確かめてください。"},
	{errNotInLog, exitFailed, "その番号の記録はありません。番号を確かめてください。利用者の番号は、shomei state にシリアル番号を渡すか、集計の画面で分かります。"},
	{eventlog.ErrParked, exitFailed, "記録の一部が壊れ、どの控えにもないため、止めています。控えがあれば shomei log repair で戻せます。"},
	{eventlog.ErrBehindMark, exitFailed, "記録の末尾が失われています。サービスは始めません。shomei log repair に控えを示して戻してください。"},
	{eventlog.ErrDamaged, exitFailed, "記録が壊れています。shomei log repair で箇所を調べ、控えから戻してください。"},
	{eventlog.ErrForged, exitFailed, "信頼できない書き込みが記録にあります。shomei fsck で箇所を調べてください。"},
	{syscall.EADDRINUSE, exitTryLater, "その場所(アドレスとポート)は、別のプログラムが使っています。それを止めるか、別の場所を指定してください。"},
	{fs.ErrPermission, exitFailed, "読み書きする権限がありません。持ち主の利用者で命じるか、場所を確かめてください。"},
	{fs.ErrNotExist, exitFailed, noFile},
}

const noFile = "示されたファイルかフォルダーがありません。場所を確かめてください。"

// errNotInLog says that the log holds no history of an id.
var errNotInLog = errors.New("the log holds no")

// errNoOffice says that the log knows no office of an id.
var errNoOffice = errors.New("there is no office")

// outcome says why a command failed, once, and gives its exit code. Whatever failed before the command itself began was a
// misuse of it.
func (a *app) outcome(ctx context.Context, cmd *cobra.Command, err error, out io.Writer) int {
	if err == nil {
		return 0
	}
	code, japanese := a.judge(ctx, err)
	switch text := strings.Join(strings.Fields(err.Error()), " "); {
	case text == "":
	case errors.As(err, new(*story.Error)): // each mistake on a line of its own
		header := a.say("物語に読めないところがあります。示された行を直してください。書き方は shomei story --help にあります。", "the story can't be read:")
		fmt.Fprintf(out, "shomei: %s\n", header)
		for _, mistake := range story.Mistakes(err) {
			fmt.Fprintln(out, mistake.In(a.lang))
		}
	case japanese != "" && a.lang != "en":
		fmt.Fprintf(out, "shomei: %s (%s)\n", japanese, text)
	default:
		fmt.Fprintln(out, "shomei:", text)
	}
	if code == exitUsage {
		fmt.Fprintln(out, a.say("使い方:", "usage:"), cmd.CommandPath(), "--help")
	}
	return code
}

func (a *app) judge(ctx context.Context, err error) (code int, japanese string) {
	var exit *exitError
	if !errors.As(err, &exit) && !a.begun {
		exit = &exitError{code: exitUsage}
	}
	for _, k := range known {
		if exit == nil && errors.Is(err, k.err) {
			return k.code, k.japanese
		}
	}
	switch {
	case exit != nil && exit.code == exitUsage && errors.Is(err, fs.ErrNotExist):
		return exitUsage, noFile
	case exit != nil && exit.code == exitUsage:
		return exitUsage, "コマンドの使い方が違います。"
	case exit != nil && exit.code == exitItemsFailed:
		return exitItemsFailed, "一部ができませんでした。"
	case exit != nil:
		return exit.code, ""
	case ctx.Err() != nil:
		return exitInterrupted, "中断しました。"
	}
	return exitFailed, "できませんでした。"
}

// say picks the text in the user's language.
func (a *app) say(japanese, english string) string {
	if a.lang == "en" {
		return english
	}
	return japanese
}
