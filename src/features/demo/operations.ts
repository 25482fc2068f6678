import type { DemoUser } from './users.ts'

// What GraphiQL opens with, for those who see Parley for the first time. Each operation gets a tab, named after it; a
// blank line and a comment begin the next. Comments have 33 columns: what is seen of them on half a screen.

/** The operations for a demo user to try, in the direct conversation with this global id. */
export function demoOperations(user: DemoUser, conversationId: string): string[] {
  const operations = user.sub === 'ada' ? forAda(conversationId) : forBo(conversationId)
  return operations.trim().split(/\n\n(?=#)/)
}

const forAda = (conversationId: string) => /* GraphQL */ `
# You are Ada. Press play on Bo's
# page (link at the top right),
# then here: the message arrives
# on Bo's page.
mutation SendMessage {
  sendMessage(
    input: {
      conversationId: "${conversationId}"
      body: "Hello, Bo!"
    }
  ) {
    message {
      seq
      body
      createdAt
    }
  }
}

# Your conversations, the most
# recent first.
query Conversations {
  conversations(first: 20) {
    edges {
      node {
        id
        title
        lastMessage {
          body
        }
        viewerState {
          unreadCount
        }
      }
    }
  }
}

# The newest messages. For older
# ones, add before: "…" with the
# startCursor of this page.
query History {
  conversation(
    id: "${conversationId}"
  ) {
    messages(last: 20) {
      edges {
        node {
          seq
          body
          sender {
            displayName
          }
        }
      }
      pageInfo {
        hasPreviousPage
        startCursor
      }
    }
  }
}

# Marks all as read, and tells
# subscribers of readReceipt.
mutation MarkRead {
  markRead(
    input: {
      conversationId: "${conversationId}"
    }
  ) {
    conversation {
      viewerState {
        lastReadSeq
        unreadCount
      }
    }
  }
}

# Shows when Bo is typing. Press
# play here, then run SetTyping
# on Bo's page.
subscription WatchTyping {
  typing(
    conversationId: "${conversationId}"
  ) {
    user {
      displayName
    }
    isTyping
    expiresAt
  }
}
`

const forBo = (conversationId: string) => /* GraphQL */ `
# You are Bo. Press play here,
# then on Ada's page (link at the
# top right): new messages arrive
# here until you press stop or
# change the tab.
subscription NewMessages {
  messageAdded {
    seq
    body
    sender {
      displayName
    }
    createdAt
  }
}

# Sends Ada an answer.
mutation SendAnswer {
  sendMessage(
    input: {
      conversationId: "${conversationId}"
      body: "Hello, Ada!"
    }
  ) {
    message {
      seq
      body
      createdAt
    }
  }
}

# Shows you as typing where
# WatchTyping runs. It ends after
# 6 seconds, or when you send.
mutation SetTyping {
  setTyping(
    input: {
      conversationId: "${conversationId}"
      isTyping: true
    }
  ) {
    expiresAt
  }
}
`

/** Operations to try with a token of one's own: all in one tab, because each tab has Headers of its own. */
export const OPERATIONS_WITHOUT_TOKEN = /* GraphQL */ `
# Put your token in place of
# YOUR_TOKEN (in Headers, below).
# Then press play, and re-fetch
# the docs (at the bottom left).

query Conversations {
  conversations(first: 20) {
    edges {
      node {
        id
        title
        viewerState {
          unreadCount
        }
      }
    }
  }
}

# New messages, until you press
# stop.
subscription NewMessages {
  messageAdded {
    seq
    body
    sender {
      displayName
    }
    createdAt
  }
}
`.trim()
