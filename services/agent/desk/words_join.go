package desk

import "shomei/pkg/page"

// joinWords are the phrases of the page on which two histories of one person are joined.
var joinWords = page.Catalogue{
	"join.title":         {JA: "二つの記録を一つにする", EN: "Join two histories"},
	"join.how":           {JA: "同じ方の記録が二つあるときに使います。二つの利用者番号を入れてください。", EN: "For one person who has two histories. Give both subscriber numbers."},
	"join.first":         {JA: "一つ目の記録", EN: "First history"},
	"join.second":        {JA: "二つ目の記録", EN: "Second history"},
	"join.open-both":     {JA: "二つの記録を開く", EN: "Open both histories"},
	"join.not":           {JA: "二つの記録を一つにする: まだ何も変えていません", EN: "Joining two histories: nothing is changed yet"},
	"join.first-record":  {JA: "最初の記録の日", EN: "First record"},
	"join.newest-record": {JA: "最新の記録の日", EN: "Newest record"},
	"join.until":         {JA: "%s、有効期間の満了日 %s", EN: "%s, last day %s"},
	"join.open":          {JA: "途中の申請", EN: "Open application"},
	"join.open.yes":      {JA: "あり", EN: "yes"},
	"join.ends":          {JA: "もう一方を残すと終わるもの", EN: "What ends if the other history goes on"},
	"join.loses":         {JA: "終わるもの", EN: "What ends"},
	"join.ends.nothing":  {JA: "終わるものはありません。", EN: "Nothing ends."},
	"join.keep":          {JA: "%sを残す", EN: "Keep this one: %s"},
	"join.recorded":      {JA: "二つの記録を開いたことは記録されました。", EN: "That you have opened both is recorded."},
	"join.reason":        {JA: "同じ方と認めた理由", EN: "Why they are one person's"},
	"join.waits":         {JA: "受け付けると承認待ちになり、別の職員の承認で一つになります。", EN: "Once taken it waits, and another officer's approval joins them."},
	"join.final":         {JA: "一つにすると元に戻せません。残さない記録の電子証明書は失効し、カードは使えなくなります。残す記録に電子証明書は移りません。", EN: "A joining can't be undone. The certificates of the history that is not kept are revoked and its card goes out of use; none of them moves to the other one."},
	"join.changed":       {JA: "その間に記録が変わりました。終わるものをもう一度確かめてください。", EN: "The histories have changed meanwhile. Check again what ends."},

	"join.certificate.authorized": {JA: "発行の途中", EN: "being issued"},
	"join.certificate.issued":     {JA: "交付前", EN: "not handed over yet"},
	"join.certificate.valid":      {JA: "有効", EN: "in force"},
	"join.certificate.suspended":  {JA: "一時停止中", EN: "suspended"},
	"join.certificate.revoked":    {JA: "失効", EN: "revoked"},
	"join.certificate.expired":    {JA: "満了", EN: "expired"},
	"join.certificate.abandoned":  {JA: "発行せず", EN: "never issued"},
	"join.card.assigned":          {JA: "交付前", EN: "not handed over yet"},
	"join.card.held":              {JA: "本人が所持", EN: "with its holder"},
	"join.card.suspended":         {JA: "一時停止中", EN: "suspended"},
	"join.card.custody":           {JA: "窓口で預かり", EN: "in custody"},
	"join.card.void":              {JA: "失効", EN: "void"},
	"join.card.expired":           {JA: "満了", EN: "expired"},

	"wrong.join.survivor":       {JA: "残す記録を選んでください。", EN: "Choose the history that goes on."},
	"wrong.join.evidence":       {JA: "確かめたものを一つ以上選んでください。", EN: "Choose at least one thing that was seen."},
	"wrong.join.why":            {JA: "同じ方と認めた理由を入力してください。", EN: "Say why they are one person's."},
	"wrong.join.second_officer": {JA: "受付者とは別の職員の番号を入力してください。", EN: "Give the number of another officer than the one who takes it."},

	"problem.no-history":        {JA: "センターに、この番号の記録はありません。", EN: "The centre has no history under this number."},
	"problem.no-history.next":   {JA: "番号を確かめて、開き直してください。何も変えていません。", EN: "Check the number and open it again. Nothing was changed."},
	"problem.same-history":      {JA: "二つの番号は、一つの同じ記録を指しています。", EN: "Both numbers lead to one and the same history."},
	"problem.same-history.next": {JA: "すでに一つになっています。別の方の記録と取り違えていないか、確かめてください。", EN: "They are one already. Check whether another history was meant."},
	"problem.history-away":      {JA: "いまはセンターに尋ねられないため、二つの記録を開けません。", EN: "The centre can't be asked now, so the histories can't be opened."},
	"problem.history-away.next": {JA: "回線が戻ってから、もう一度開いてください。何も変えていません。", EN: "Open them again when the link is back. Nothing was changed."},
}
