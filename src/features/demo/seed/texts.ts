import type { ConversationKind } from '../../../db/generated/enums.ts'

// What the demonstration's users are called, and what they say.

export const FIRST_NAMES = [
  ...['Mara', 'Yusuf', 'Lena', 'Tomás', 'Aoife', 'Jonas', 'Chiara', 'Priya', 'Kwame', 'Sofía', 'Mateo', 'Ingrid'],
  ...['Zoë', 'Emeka', 'Linh', 'Nadia', 'Oskar', 'Camille', 'Ravi', 'Leïla', 'Björn', 'Ana', 'Malik', 'Freya'],
  ...['Diego', 'Hana', 'Noah', 'Amara', 'Piotr', 'Elif', 'Théo', 'Ines', 'Samuel', 'Yara', 'Milo', 'Greta'],
]

export const LAST_NAMES = [
  ...['Lindqvist', 'Okafor', 'García', 'O’Brien', 'Müller', 'Rossi', 'Nguyen', 'Silva', 'Kowalska', 'Haddad'],
  ...['Andersen', 'Dubois', 'Patel', 'Mensah', 'Novák', 'Şahin', 'Costa', 'Berg', 'Ferreira', 'Moreau', 'Singh'],
  ...['Weber', 'Adeyemi', 'Jensen', 'Keller', 'Santos', 'Fischer', 'Laurent', 'Demir', 'van Dijk', 'Papadaki'],
]

/** Display names in other scripts, each with a username. */
export const OTHER_NAMES = [
  ['ليلى حداد', 'layla.haddad'],
  ['يوسف المصري', 'youssef.almasri'],
  ['فاطمة الزهراء', 'fatima.azzahra'],
  ['נועה כהן', 'noa.cohen'],
  ['איתי לוי', 'itay.levi'],
  ['Мария Иванова', 'maria.ivanova'],
  ['Олег Ткаченко', 'oleh.tkachenko'],
  ['Ελένη Παππά', 'eleni.pappa'],
  ['Νίκος Γεωργίου', 'nikos.georgiou'],
  ['田中 美咲', 'misaki.tanaka'],
  ['佐藤 健', 'ken.sato'],
  ['王芳', 'wang.fang'],
  ['李伟', 'li.wei'],
  ['김민준', 'minjun.kim'],
  ['이서연', 'seoyeon.lee'],
  ['अनन्या शर्मा', 'ananya.sharma'],
  ['रोहन मेहता', 'rohan.mehta'],
] as const

/** The AI users, who take part in ROLEPLAY. */
export const AGENTS = ['Iris, interview coach', 'Vera, difficult customer', 'Max, language partner']

/** What people chat about, by language. */
const CHAT = {
  en: [
    'Good morning! ☀️',
    'Did you see the draft?',
    'Looks good to me.',
    'I’ll have a look tonight.',
    'Can we move it to Thursday?',
    'On my way, ten minutes.',
    'Thanks, that helps a lot!',
    'Wait, which one do you mean?',
    'The second one, with the blue header.',
    'Ha, exactly 😂',
    'No worries, take your time.',
    'Sent it to you just now.',
    'The link doesn’t open for me.',
    'Try again, I changed the permissions.',
    'Works now 👍',
    'Who else is coming?',
    'Let’s ask the others first.',
    'I can’t make it on Friday, sorry.',
    'That’s a great idea.',
    'Could you send me the address?',
    'Happy birthday! 🎉🎂',
    'I left my charger at your place, I think.',
    'Found it, it was under the sofa.',
    'How did it go?',
    'Better than I thought, honestly.',
    'Let me know when you’re done.',
    'Done!',
    'Is 15:30 all right for you?',
    'It rained the whole weekend here.',
    'Same here. I read two books.',
    'We should do this more often ❤️',
    'Typo in the title, by the way: “recieve”.',
    'Fixed, thank you.',
    'Call me when you have five minutes?',
    '👀',
    '+1',
  ],
  es: [
    '¿Cómo vas?',
    'Perfecto, gracias.',
    'Te lo mando esta tarde.',
    'Nos vemos el jueves a las cinco.',
    '¡Qué buena idea!',
    'Ahora no puedo, te llamo luego.',
    'Ya está hecho ✅',
    '¿Lo has visto?',
    'Me parece bien.',
    'Jajaja, totalmente 😂',
  ],
  de: [
    'Passt für mich.',
    'Schau ich mir heute Abend an.',
    'Wann hast du Zeit?',
    'Danke, das hilft sehr!',
    'Bin in zehn Minuten da.',
    'Können wir das auf Freitag verschieben?',
    'Klingt gut, machen wir so.',
    'Die Datei lässt sich nicht öffnen.',
    'Schönes Wochenende! 🌻',
    'Übrigens: der Termin steht.',
  ],
  fr: [
    'Ça marche pour moi.',
    'Je regarde ça ce soir.',
    'Merci beaucoup !',
    'On se voit demain ?',
    'Désolé, je suis en retard 🙈',
    'C’est parfait comme ça.',
    'Tu peux m’envoyer le lien ?',
    'Bonne idée !',
    'Je n’ai pas encore eu le temps.',
  ],
  pt: [
    'Tudo bem por aí?',
    'Pode ser amanhã de manhã.',
    'Obrigada pela ajuda!',
    'Já te mandei o arquivo.',
    'Combinado então 🤝',
    'Não consegui abrir o link.',
    'Que notícia boa!',
    'Chego em quinze minutos.',
  ],
  ar: [
    'صباح الخير! كيف حالك؟',
    'شكرًا جزيلًا 🙏',
    'سأرسل الملف غدًا',
    'متى الاجتماع؟',
    'ممتاز، اتفقنا',
    'أنا في الطريق',
    'هل وصلتك الرسالة؟',
    'لا مشكلة',
    'النسخة 2.1 جاهزة للمراجعة',
  ],
  he: [
    'בוקר טוב, מה שלומך?',
    'תודה רבה!',
    'אני בדרך 🚲',
    'נדבר מחר?',
    'מעולה, סגרנו',
    'שלחתי לך את הקובץ ב-PDF',
    'אין בעיה',
    'מתי נפגשים?',
  ],
  ru: [
    'Привет! Как дела?',
    'Спасибо большое!',
    'Посмотрю сегодня вечером.',
    'Давай созвонимся завтра.',
    'Уже отправила.',
    'Отличная идея 🔥',
    'Буду через десять минут.',
    'Не открывается ссылка.',
  ],
  ja: [
    'おはようございます！',
    '了解です。',
    'ありがとうございます😊',
    '明日の会議は何時からですか？',
    '資料を送りました。',
    'すみません、少し遅れます。',
    'いいですね！',
    '確認します。',
  ],
  zh: [
    '早上好！',
    '收到，谢谢。',
    '明天下午三点可以吗？',
    '文件已经发给你了。',
    '没问题 👌',
    '我马上到。',
    '这个主意不错！',
    '稍等一下。',
  ],
  hi: ['नमस्ते! कैसे हैं आप?', 'बहुत धन्यवाद! 🙏', 'मैं कल भेज दूँगा।', 'ठीक है।', 'मीटिंग कितने बजे है?', 'अभी रास्ते में हूँ।'],
  el: [
    'Καλημέρα! Τι κάνεις;',
    'Ευχαριστώ πολύ!',
    'Τα λέμε αύριο.',
    'Έγινε.',
    'Έρχομαι σε δέκα λεπτά.',
    'Το έστειλα ήδη.',
  ],
}

/** Each a list of lines in one language. */
export const CHATS: readonly (readonly string[])[] = Object.values(CHAT)
export const ENGLISH: readonly string[] = CHAT.en

const JOB = [
  'Hello, I read your posting and would like to help.',
  'What is your budget for it?',
  'I could start on Monday and be done in about a week.',
  'Here are three things I made before: https://example.com/portfolio',
  'The first draft is ready. Could you have a look?',
  'I like it. The colours could be a little warmer.',
  'How many revisions are included?',
  'Two, and small fixes at any time.',
  'The invoice is on its way.',
  'Everything arrived, thank you! ⭐⭐⭐⭐⭐',
  'Could we extend the deadline by two days?',
  'That is fine with me.',
]

const SUPPORT = [
  'My order hasn’t arrived yet.',
  'I’m sorry to hear that. Could you give me the order’s number?',
  'It was charged twice, I think.',
  'I see it here. The second one is refunded, it takes three to five days.',
  'The app closes as soon as I open a photo.',
  'Which version is it, and on which phone?',
  'Version 4.2 on Android 15.',
  'Could you try it again after signing out and in?',
  'That helped, thank you!',
  'Is there anything else I can do for you?',
  'No, that’s all. Have a nice day 🙂',
]

export const AGENT_LINES = [
  'Welcome! Let’s begin: tell me about yourself in two sentences.',
  'Interesting. What was the hardest part of it?',
  'I hear what you say, but I paid for this and it does not work.',
  'Good start. Try to name a figure this time, and the reason behind it.',
  'Imagine I said no. What would you offer instead?',
  'Much better: you asked before you answered.',
  'Let’s stop here. You listened well; next time, sum up what we agreed on.',
  'Could you say that again in simpler words?',
]

const TRAINEE = [
  'All right, I’m ready.',
  'I led a team of four for two years.',
  'I understand. Could you tell me what happened exactly?',
  'I’d like to talk about my salary.',
  'Given the market, I think 8% is fair.',
  'Then let’s agree on a date on which we look at it again.',
  'Can we try that part once more?',
  'That was harder than I thought 😅',
]

/** Lines of conversations that are about something; the others chat. */
export const LINES_OF: Partial<Record<ConversationKind, readonly string[]>> = { JOB, SUPPORT, ROLEPLAY: TRAINEE }

export const SYSTEM_LINES = [
  'The deadline was moved to Friday.',
  'A member of our team will be with you shortly.',
  'Reminder: the call begins in 15 minutes.',
  'The description was updated.',
]

/** `#` stands for a number. */
export const TITLES: Record<ConversationKind, readonly string[]> = {
  DIRECT: [],
  GROUP: [
    ...['Trip to Lisbon 🇵🇹', 'Book club', 'Flat 4B', 'Sunday football ⚽', 'Release 2.#', 'Mum’s birthday', 'Choir'],
    ...['Design review', 'נסיעה לחיפה', 'مشروع التخرج', 'Lauftreff', '週末ハイキング', 'Running late anonymous'],
  ],
  JOB: ['Logo for a bakery', 'Website in three languages', 'Translation, # pages', 'Garden shed', 'Wedding photos'],
  SUPPORT: ['Order # has not arrived', 'Refund of order #', 'Can’t sign in', 'Invoice # is wrong', 'App crashes'],
  GENERAL: ['Announcements', 'Random', 'Newcomers', 'Help each other', 'Neighbourhood #'],
  ROLEPLAY: ['Salary negotiation', 'First interview', 'An angry customer', 'Small talk in Spanish'],
}

export const TAGS = ['urgent', 'design', 'billing', 'follow-up', 'family', 'q4', 'vip', 'idea', 'waiting', 'archive-me']
export const TOPICS = ['deadline', 'budget', 'first draft', 'travel dates', 'who brings what', 'refund', 'feedback']
export const SUMMARIES = [
  'They agreed on a date and on who brings what; the price is still open.',
  'The first draft was well received. Two small changes are to be made by Friday.',
  'A refund was promised and confirmed.',
]
