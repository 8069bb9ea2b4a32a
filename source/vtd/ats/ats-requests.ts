/**
 * The requests of devices that keep translations in a TLB of their own: for a translation, with a translated address,
 * for a page; and zero-length reads. VT-d specification, chapters 3.7, 4 and 7.
 *
 * They take the same way through the tables as every other request. What differs is at its two ends: whether the
 * device may ask at all, and what it is told.
 */
import { join } from '../bits.ts';
import { Fault } from '../faults/fault-reason.ts';
import { EXECUTE, READ, WRITE } from '../formats/paging-entry.ts';
import { Reply, replyNames, translationCompletion, withSize } from '../formats/translation-completion.ts';
import { Counter, type Counts } from '../performance/counters.ts';
import { AddressType, AS_PERMITTED, NO_ACCESS } from '../translation/request-kind.ts';
import { Translator } from '../translation/translator.ts';
import { GLOBAL, INTERRUPT_BASE, OFFSET, Outcome, TableMode } from '../translation/walker.ts';

const { iommu_requests, translation_requests, translated_requests, ats_blocked, pg_req_posted } = Counter;

const bitOf = (field: { mask: number; shift: number }) => field.mask << field.shift;
const answer = translationCompletion.fields;

export class AtsRequests extends Translator {
  /** The entry of the last successful translation completion. */
  completionHi = 0;
  completionLo = 0;

  /**
   * A translation request for one page (AT = 01b).
   *
   * @param noWrite the device will not write: NW, honoured with ECAP.NWFS
   * @param pasid of a request with PASID, or -1
   * @param privileged whether a request with PASID asks as a supervisor
   * @param execute whether a request with PASID asks for permission to execute
   * @returns one of Reply; a successful one is in `completionHi` and `completionLo`
   */
  translationRequest(
    sourceId: number,
    hi: number,
    lo: number,
    noWrite = false,
    pasid = -1,
    privileged = false,
    execute = false,
  ): number {
    if (this.monitor !== null)
      return this.monitored(
        sourceId,
        () => this.translationRequest(sourceId, hi, lo, noWrite, pasid, privileged, execute),
        AddressType.TRANSLATION,
      );
    const mine = this.countsOf(sourceId);
    this.start(AddressType.TRANSLATION, hi, lo, pasid, privileged);
    this.completionHi = 0;
    this.completionLo = 0;
    this.reply = Reply.SUCCESS;
    this.count(mine, translation_requests);
    const reads = noWrite && this.capabilities.noWriteFlag;
    const access = AS_PERMITTED | READ | (reads ? 0 : WRITE) | (execute && pasid >= 0 ? EXECUTE : 0);
    this.decideTranslation(mine, sourceId, hi, lo, access);
    if (this.reply === Reply.UNSUPPORTED || this.reply === Reply.ABORT) this.count(mine, ats_blocked);
    if (this.steps !== null) this.noteReply();
    this.finishRequest();
    return this.reply;
  }

  /**
   * A request whose address a device TLB gave (AT = 10b). It is trusted: only whether the device may send it, the host
   * address width, the interrupt range and protected memory are checked.
   *
   * @returns one of Outcome, PASSED or BLOCKED
   */
  translatedRequest(
    sourceId: number,
    hi: number,
    lo: number,
    access: number,
    pasid = -1,
    privileged = false,
  ): number {
    if (this.monitor !== null)
      return this.monitored(
        sourceId,
        () => this.translatedRequest(sourceId, hi, lo, access, pasid, privileged),
        AddressType.TRANSLATED,
      );
    const mine = this.countsOf(sourceId);
    this.start(AddressType.TRANSLATED, hi, lo, pasid, privileged);
    this.count(mine, translated_requests);
    let outcome: number = Outcome.BLOCKED;
    if (this.enabled) {
      this.count(mine, iommu_requests);
      outcome = this.guarded(mine, this.byTables(mine, sourceId, hi, lo, access));
    } else if (this.steps !== null) {
      this.note('gate', 'blocked', 'GSTS.TES = 0: translated requests are not accepted');
    }
    if (outcome === Outcome.BLOCKED) this.count(mine, ats_blocked);
    this.finishRequest();
    return outcome;
  }

  /**
   * A read of no bytes, by which devices make sure that their writes have arrived. It needs a page that can be read
   * or, with CAP.ZLR, written.
   *
   * @returns one of Outcome
   */
  zeroLengthRead(sourceId: number, hi: number, lo: number, pasid = -1, privileged = false): number {
    const access = this.capabilities.zeroLengthRead ? AS_PERMITTED | READ : READ;
    return pasid < 0
      ? this.translate(sourceId, hi, lo, access)
      : this.translateWithPasid(sourceId, hi, lo, access, pasid, privileged);
  }

  /** Whether a page request may go into the page request queue; if not, `fault` says why where it is recorded. */
  admitsPageRequest(
    sourceId: number,
    hi: number,
    lo: number,
    pasid: number,
    privileged: boolean,
    execute: boolean,
  ): boolean {
    const mine = this.countsOf(sourceId);
    this.start(AddressType.UNTRANSLATED, hi, lo, pasid, privileged);
    const access = execute ? NO_ACCESS | EXECUTE : NO_ACCESS;
    const isAdmitted =
      this.acceptsPageRequests() && this.checkPageRequest(mine, sourceId, hi, lo, access) !== Outcome.BLOCKED;
    if (isAdmitted && this.steps !== null)
      this.note('page request', 'passed', 'chapter 7.4: the context entry allows it');
    this.finishRequest();
    return isAdmitted;
  }

  /** Count a page request that was put into the queue. */
  countPosted(sourceId: number): void {
    if (this.monitor === null) return this.count(this.countsOf(sourceId), pg_req_posted);
    this.monitored(sourceId, () => {
      this.countPosted(sourceId);
      return 0;
    });
  }

  private start(addressType: number, hi: number, lo: number, pasid: number, privileged: boolean): void {
    this.addressType = addressType;
    this.pasid = pasid;
    this.privileged = privileged;
    this.begin(hi, lo);
  }

  private finishRequest(): void {
    this.addressType = AddressType.UNTRANSLATED;
    this.pasid = -1;
    this.privileged = false;
  }

  private decideTranslation(mine: Counts, sourceId: number, hi: number, lo: number, access: number): void {
    if (!this.enabled) {
      if (this.steps !== null)
        this.note('gate', 'blocked', 'GSTS.TES = 0: there is nothing to translate with');
      this.reply = Reply.UNSUPPORTED;
      return;
    }
    this.count(mine, iommu_requests);
    if (this.pasid < 0 && this.inInterruptRange()) return this.answerInterruptRange();
    const outcome = this.byTables(mine, sourceId, hi, lo, access);
    if (outcome !== Outcome.BLOCKED) this.complete(hi, lo, access, outcome);
  }

  /** Nothing is mapped at 0xfeex_xxxx: at most the device is told to send its interrupts untranslated. */
  private answerInterruptRange(): void {
    if (this.steps !== null)
      this.note(
        'interrupt range',
        'blocked',
        'chapter 3: 0xfeex_xxxx is not memory, so there is no translation',
      );
    if (!this.uncertain.interruptRangeIsUntranslated) {
      this.reply = Reply.NO_TRANSLATION;
      return;
    }
    this.completionHi = this.outHi;
    this.completionLo = (this.outLo & ~OFFSET) | bitOf(answer.W) | bitOf(answer.U);
  }

  /** The completion for a page that was found. */
  private complete(hi: number, lo: number, access: number, outcome: number): void {
    const isPassed = outcome === Outcome.PASSED;
    const level = this.completionLevel(hi, lo, isPassed ? this.largestLevel() : this.outLevel);
    const permissions = isPassed ? READ | WRITE | EXECUTE : this.permissionsGranted();
    const R = permissions & READ;
    const W = permissions & access & WRITE;
    if ((R | W) === 0) {
      this.reply = Reply.NO_TRANSLATION;
      return;
    }
    let word =
      level === 1 ? this.outLo & ~OFFSET : withSize(this.outLo, 12 + 9 * (level - 1)) | bitOf(answer.S);
    word |= R | W;
    if (this.snoops(isPassed)) word |= bitOf(answer.N);
    if (this.pasid >= 0) {
      if ((permissions & access & EXECUTE) !== 0) word |= bitOf(answer.EXE);
      if (this.privileged) word |= bitOf(answer.PRIV);
      if (!isPassed && (this.outPermissions & GLOBAL) !== 0) word |= bitOf(answer.GLOBAL);
    }
    this.completionHi = this.outHi;
    this.completionLo = word;
  }

  /** The largest page that is no larger than a level's and has no part in the interrupt range. */
  private completionLevel(hi: number, lo: number, largest: number): number {
    let level = largest;
    for (; level > 1; level--) {
      const above = ~((1 << (12 + 9 * (level - 1))) - 1);
      const interrupts = INTERRUPT_BASE & above;
      const output = this.outHi === 0 && (this.outLo & above) === interrupts;
      const input = this.pasid < 0 && hi === 0 && (lo & above) === interrupts;
      if (!output && !input) break;
    }
    return level;
  }

  /** Pass-through has no page size; the largest of the unit is as good as any. */
  private largestLevel(): number {
    const { sslps } = this.capabilities;
    return (sslps & 2) !== 0 ? 3 : (sslps & 1) !== 0 ? 2 : 1;
  }

  private acceptsPageRequests(): boolean {
    const accepts = this.enabled && this.capabilities.pageRequests && !this.isAborting;
    if (!accepts && this.steps !== null)
      this.note(
        'gate',
        'blocked',
        'chapter 7.4: page requests need GSTS.TES, ECAP.PRS, and no abort-DMA mode',
      );
    return accepts;
  }

  private checkPageRequest(mine: Counts, sourceId: number, hi: number, lo: number, access: number): number {
    if (this.isScalable) return this.pageRequestScalable(mine, sourceId, hi, lo, access);
    const fault = this.tableMode === TableMode.LEGACY ? Fault.PAGE_REQUEST_IN_LEGACY : Fault.BAD_TABLE_MODE;
    if (this.steps !== null)
      this.note('gate', 'blocked', 'chapter 7.4: page requests belong to scalable mode', fault);
    return this.blocked(mine, sourceId, hi, lo, access, fault, 0);
  }

  private noteReply(): void {
    const isSuccess = this.reply === Reply.SUCCESS;
    this.note(
      'translation request',
      isSuccess ? 'passed' : 'blocked',
      `chapter 4: the device is told: ${replyNames[this.reply]}`,
      0,
      0,
      isSuccess ? join(this.completionHi, this.completionLo & ~OFFSET) : null,
      isSuccess ? [this.completionLo, this.completionHi] : [],
    );
  }
}
