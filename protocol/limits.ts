/** Every bound of the protocol, with the relations between them. All sizes are bytes unless a name says otherwise. */
import { assert } from './types.js';

export const PAYLOAD_BYTES_MAX = 16 * 1024;
export const PROTECTED_BYTES_MAX = 256;
export const SIGNATURES_MAX = 16;
export const LIST_PATH_MAX = 20;
export const LEGS_MAX = 64;
export const KEYS_PER_PARTY_MAX = 16;
export const DECIMALS_MAX = 18;
/** Minor units: 2^96 - 1 covers eighteen decimals of seventy-nine billion. */
export const AMOUNT_MINOR_MAX = (1n << 96n) - 1n;
/** How far ahead of a node's clock, or of final time where that is later, an instruction may be issued: it waits at the door until then. */
export const ISSUED_AHEAD_MS_MAX = 1_000;
/** `expires - issued` at most. */
export const VALIDITY_MS_MAX = 24 * 60 * 60 * 1000;
/**
 * How many times faster than clocks a test network's time may run. At 86,400 a day passes in a second, and that is how long
 * an instruction lives at most: the network has to be faster than that.
 */
export const TIME_SCALE_MAX = 100_000;
/** The beginning of the year 9999, where scaled time ends: times have four digits for a year, and blocks go on after it. */
export const NETWORK_TIME_MS_MAX = 253_370_764_800_000;
/** How far ahead of a voter's clock a block may be timed at most, by the machine's time. */
export const SKEW_MS_MAX = 60_000;
export const INSTRUCTION_JSON_BYTES_MAX = 64 * 1024;
/** An instruction as it travels in a lane. */
export const ITEM_BYTES_MAX =
  PAYLOAD_BYTES_MAX + SIGNATURES_MAX * (PROTECTED_BYTES_MAX + 64 + LIST_PATH_MAX * 32 + 64) + 64;

export const BATCH_ITEMS_MAX = 2_000;
export const BATCH_BYTES_MAX = 1024 * 1024;
/** How far a lane may run ahead of the last final cut. */
export const LANE_UNORDERED_BATCHES_MAX = 512;
export const LANE_UNORDERED_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes and items that one block may order, over all lanes. */
export const BLOCK_BATCHES_MAX = 256;
export const BLOCK_ITEMS_MAX = 10_000;
/** Signatures that one block may ask every node to check: some seconds of a core. */
export const BLOCK_SIGNATURES_MAX = 40_000;

/** Up to here the seconds since the network began count as the incarnation of a lane; past it a clock is wrong, and each is only one more. */
export const INCARNATION_SECONDS_MAX = 2 ** 31;
/** The last one that a data folder or a backup is believed to have come to: whatever it says, so many are left that the lane never ends. */
export const INCARNATION_BELIEVED_MAX = 3 * 2 ** 30;

export const VALIDATORS_MAX = 100;
/** Notarized but unfinalized blocks past which new ones are empty. */
export const UNFINALIZED_BLOCKS_MAX = 8;
/** Views ahead of its own in which a core keeps votes. */
export const VIEWS_AHEAD_MAX = 64;

export const FRAME_BYTES_MAX = 2 * 1024 * 1024;
/** Frames waiting for a peer, or from one, before the sender is slowed or the oldest bulk is dropped. */
export const PEER_QUEUE_BYTES_MAX = 16 * 1024 * 1024;
export const SYNC_BLOCKS_MAX = 256;

/** So long a reader of a backup may take nothing. */
export const BACKUP_IDLE_MS_MAX = 60_000;
/** So long a backup may take: meanwhile the database gives up nothing of what it overwrites, and no other backup is made. */
export const BACKUP_MS_MAX = 4 * 60 * 60 * 1000;

/** How far past `expires` consents may still come: what nobody is bound to does not stay for long. */
export const CONSENT_PAST_EXPIRES_MS_MAX = 24 * 60 * 60 * 1000;
/** Business days that one `calendar` names, and how far past `issued` they may be. */
export const CALENDAR_DAYS_MAX = 150;
export const CALENDAR_AHEAD_MS_MAX = 800 * 24 * 60 * 60 * 1000;
/** Days that are over are kept for so long, at least until the asset's next `calendar`. */
export const CALENDAR_KEPT_DAYS = 7;
/** Days of one calendar in the state. */
export const CALENDAR_ENTRIES_MAX = 1_000;
/** Parts of a settlement that follow its first, each once the one before has settled. */
export const LINKED_MAX = 3;
/** From `issued` to `settleBy` at most: forwards of a year, with some days to spare. */
export const SETTLE_WITHIN_MS_MAX = 400 * 24 * 60 * 60 * 1000;

/** From `issued` to `lockUntil` at most: what is held for an outside ledger is kept from all else only for so long. */
export const LOCK_WITHIN_MS_MAX = 7 * 24 * 60 * 60 * 1000;

/** Settlements that one party may have begun and that are open (proposed, locked, scheduled, queued). */
export const OPEN_SETTLEMENTS_PER_PARTY_MAX = 10_000;
/** Accounts that a party's open settlements touch, each settlement counted by itself: what they hold of memory. */
export const OPEN_MOVEMENTS_PER_PARTY_MAX = 40_000;
/**
 * Movements (two for each leg) of what is bound and has not settled, over all parties; past it each still
 * has its assured share. It bounds what a pass through the queue costs, and what one block may let through.
 */
export const QUEUE_MOVEMENTS_MAX = 100_000;
/** Of it, in what one party pays in. */
export const QUEUE_MOVEMENTS_PER_PAYER_MAX = 10_000;
/** So many a party has room for even when others have taken all else. */
export const QUEUE_MOVEMENTS_ASSURED = 1_000;
/** Movements for each millisecond of block time between two passes: a pass is to take about a tenth of a core at most. */
export const PASS_MOVEMENTS_PER_MS = 70;
/** Equal lots in which a settlement may settle part by part. */
export const LOTS_MAX = 100;
/** The part of a settlement that is next, counted from one, at most: of linked ones the last, of lots the last. */
export const AMENDED_PART_MAX = Math.max(1 + LINKED_MAX, LOTS_MAX);
/** Movements (two for each leg) of which a pass settles single lots: the rest waits for the next one. */
export const LOT_MOVEMENTS_PER_PASS_MAX = 2_000;
/** Settlements that one offer names. */
export const OFFER_SETTLEMENTS_MAX = 200;
/** Offers of one party that a block judges, and movements of what remains of them, of one party and of all: tens of milliseconds of a core. */
export const OFFERS_PER_PARTY_MAX = 10;
export const OFFERED_MOVEMENTS_PER_PARTY_MAX = 4_000;
export const OFFERED_MOVEMENTS_PER_BLOCK_MAX = 40_000;
/** What a net sender limit counts at most, minor units, either way. */
export const SENT_MINOR_MAX = 1n << 120n;
/** Counterparties to which a party limits what it sends, net, from one account. */
export const LIMITS_PER_ACCOUNT_MAX = 64;
/** Passes that a what-if makes through the queue at most, with and without; it says whether that was enough. */
export const WHAT_IF_PASSES_MAX = 16;
/** Movements of the queue for each millisecond between two what-ifs of a node: what they cost is a part of what passes may. */
export const WHAT_IF_MOVEMENTS_PER_MS = 25;
/** Triggers (lapses) that run in one block; locks that lapse in one are bounded by it too, apart. */
export const TRIGGERS_PER_BLOCK_MAX = 1_000;
/** Consents and withdrawals waiting for a settlement not yet ordered, per party. */
export const WAITING_PER_PARTY_MAX = 1_000;

export const GENESIS_BYTES_MAX = 1024 * 1024;
export const BUNDLE_BYTES_MAX = 4 * 1024 * 1024;
/** Blocks that one certificate vouches for in a bundle. */
export const BUNDLE_CHAIN_MAX = 4_096;
export const HANDOVERS_MAX = 10_000;

assert(
  VALIDITY_MS_MAX + CONSENT_PAST_EXPIRES_MS_MAX < LOCK_WITHIN_MS_MAX,
  'a lock may stand once its consents are there',
);
assert(
  NETWORK_TIME_MS_MAX + SKEW_MS_MAX * TIME_SCALE_MAX + CALENDAR_AHEAD_MS_MAX <= Number.MAX_SAFE_INTEGER,
  'no sum of times is rounded',
);
assert(
  INCARNATION_SECONDS_MAX < INCARNATION_BELIEVED_MAX && INCARNATION_BELIEVED_MAX <= 2 ** 32 - 2 ** 30,
  'an incarnation of 32 bits goes on past any that is believed',
);
assert(BACKUP_IDLE_MS_MAX < BACKUP_MS_MAX, 'a reader that stops is told from one that is slow');
assert(QUEUE_MOVEMENTS_ASSURED >= 2 * LEGS_MAX, 'a largest settlement has room in any queue');
assert(
  QUEUE_MOVEMENTS_PER_PAYER_MAX <= OPEN_MOVEMENTS_PER_PARTY_MAX,
  'who begins all that it is to pay may fill its places',
);
assert(
  CALENDAR_ENTRIES_MAX > CALENDAR_AHEAD_MS_MAX / VALIDITY_MS_MAX + CALENDAR_KEPT_DAYS,
  'a calendar holds all days that may be named, and those just over',
);
assert(QUEUE_MOVEMENTS_ASSURED <= QUEUE_MOVEMENTS_PER_PAYER_MAX, 'the share that is assured is a share');
assert(SENT_MINOR_MAX > 2n * AMOUNT_MINOR_MAX, 'what a limit counts is past any limit');
assert(LOT_MOVEMENTS_PER_PASS_MAX >= 2 * LEGS_MAX, 'a lot of a largest settlement settles in a pass');
assert(OFFERED_MOVEMENTS_PER_PARTY_MAX >= 2 * LEGS_MAX, 'a largest settlement may be offered');
assert(QUEUE_MOVEMENTS_PER_PAYER_MAX <= QUEUE_MOVEMENTS_MAX, 'one payer does not fill the queue');
assert(WHAT_IF_MOVEMENTS_PER_MS <= PASS_MOVEMENTS_PER_MS, 'the queue is copied less often than it may be gone through');
assert(ITEM_BYTES_MAX <= BATCH_BYTES_MAX, 'a largest instruction fits a batch');
assert(BATCH_BYTES_MAX + 1024 <= FRAME_BYTES_MAX, 'a full batch fits one frame');
assert(FRAME_BYTES_MAX <= PEER_QUEUE_BYTES_MAX, 'a frame fits a queue');
assert(BATCH_ITEMS_MAX <= BLOCK_ITEMS_MAX, 'a full batch fits a block');
assert(BATCH_ITEMS_MAX * SIGNATURES_MAX <= BLOCK_SIGNATURES_MAX, 'a batch of the most signatures fits a block');
