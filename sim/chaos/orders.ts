/** What main.ts tells the process inside. */
export interface Orders {
  readonly folder: string;
  readonly minutes: number;
  readonly seed: number;
  /** Instructions a second that banks send. */
  readonly rate: number;
  readonly json: boolean;
}
