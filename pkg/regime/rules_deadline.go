package regime

// Deadlines and how they are counted.
var (
	moveIn30 = rule(Rule{
		ID: "mynumber.deadline.move-in-30-days", From: MyNumberFirstDay,
		Source: "Act2016 Art 31 item 2; MyNoOrd2016 Art 14 item 2; muni:Higashimatsuyama; law.md 8.7",
		JA:     "転出予定日の翌日から数えて30日以内に転入届がないと、カードと電子証明書は失効します。",
		EN:     "Without a move-in notification within 30 days, counted from the day after the planned day, card and certificates end.",
		NextJA: "期限までに転入先で転入届を出してください。", NextEN: "File the move-in notification by that day.",
	})
	moveIn14 = rule(Rule{
		ID: "mynumber.deadline.move-in-14-days", From: MyNumberFirstDay,
		Source: "Juki Act Art 22; MyNoOrd2016 Art 14 item 2; muni:Higashimatsuyama; law.md 8.7",
		JA:     "転入届は、転入した日の翌日から数えて14日以内に出してください。",
		EN:     "The move-in notification is due within 14 days, counted from the day after the move.",
		NextJA: "期限までに転入先で転入届を出してください。", NextEN: "File the move-in notification by that day.",
	})
	card90 = rule(Rule{
		ID: "mynumber.deadline.card-90-days", From: MyNumberFirstDay,
		Source: "MyNoOrd2016 Art 14 item 3; muni:Higashimatsuyama; law.md 8.7",
		JA:     "カードは、転入届を出した日から数えて90日以内に提出してください。",
		EN:     "The card is to be submitted within 90 days that run from the filing of the move-in notification.",
		NextJA: "期限までにカードを窓口へお持ちください。", NextEN: "Bring the card to the counter by that day.",
	})
	card90NextDay = rule(Rule{
		ID: "mynumber.deadline.card-90-days-next-day", From: MyNumberFirstDay,
		Source: "Civil Code Art 140; not settled: law.md 8.7, 14.1",
		JA:     "カードは、転入届を出した日の翌日から数えて90日以内に提出してください。",
		EN:     "The card is to be submitted within 90 days, counted from the day after the filing.",
		NextJA: "期限までにカードを窓口へお持ちください。", NextEN: "Bring the card to the counter by that day.",
	})
	deadlineRolls = rule(Rule{
		ID:     "deadline.rolls",
		Source: "muni:Higashimatsuyama; law.md 8.7",
		JA:     "期限の日が閉庁日のため、次の開庁日まで延びます。",
		EN:     "The deadline falls on a day on which the office is closed, so it rolls to the next open day.",
	})
	noticeDue = rule(Rule{
		ID: "mynumber.notice.due", From: MyNumberFirstDay,
		Source: "muni:Yokohama, Mihara; law.md 9.1",
		JA:     "有効期限通知書は、有効期間が終わる2~3か月前に送ります。",
		EN:     "The expiry notice is sent two to three months before the last day.",
	})
)
