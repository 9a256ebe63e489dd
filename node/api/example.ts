/** One instruction as the document shows it: a PvP signed by both banks with keys made for this page alone. */

export const EXAMPLE_PAYLOAD = {
  kind: 'settle',
  mode: 'gross',
  network: '6acc7d78be4c739761f4be56b0d4883229b1d563137ea0974936d18d713ed226',
  id: '3f0c2a54-7d1e-4c0b-9b57-2a6a1d3c8e90',
  issued: '2026-01-05T09:30:00Z',
  expires: '2026-01-05T10:30:00Z',
  initiator: 'BKHKHKHHXXX',
  legs: [
    { from: 'BKHKHKHHXXX', to: 'BKTHTHBKXXX', asset: 'HKD', amount: '1000000.00' },
    { from: 'BKTHTHBKXXX', to: 'BKHKHKHHXXX', asset: 'THB', amount: '4150000.00' },
  ],
} as const;

export const EXAMPLE_DIGEST = '2999e6e88bd78796dbaf8c7b9db815882dff192ac164474e58a60a372e694a5f';

/** Its payload is EXAMPLE_PAYLOAD in canonical JSON; a test checks that, the digest and both signatures. */
export const EXAMPLE_JWS = {
  payload:
    'eyJleHBpcmVzIjoiMjAyNi0wMS0wNVQxMDozMDowMFoiLCJpZCI6IjNmMGMyYTU0LTdkMWUtNGMwYi05YjU3LTJhNmExZDNjOGU5MCIsImluaXRpYXRvciI6IkJLSEtIS0hIWFhYIiwiaXNzdWVkIjoiMjAyNi0wMS0wNVQwOTozMDowMFoiLCJraW5kIjoic2V0dGxlIiwibGVncyI6W3siYW1vdW50IjoiMTAwMDAwMC4wMCIsImFzc2V0IjoiSEtEIiwiZnJvbSI6IkJLSEtIS0hIWFhYIiwidG8iOiJCS1RIVEhCS1hYWCJ9LHsiYW1vdW50IjoiNDE1MDAwMC4wMCIsImFzc2V0IjoiVEhCIiwiZnJvbSI6IkJLVEhUSEJLWFhYIiwidG8iOiJCS0hLSEtISFhYWCJ9XSwibW9kZSI6Imdyb3NzIiwibmV0d29yayI6IjZhY2M3ZDc4YmU0YzczOTc2MWY0YmU1NmIwZDQ4ODMyMjliMWQ1NjMxMzdlYTA5NzQ5MzZkMThkNzEzZWQyMjYifQ',
  signatures: [
    {
      protected:
        'eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoiVUREUmVPWmwxaXBYQWZwOXdZc20xM3NEQk1LNW9nLS1RV2RCanp1ZjZvNCIsInR5cCI6ImNhdXNld2F5K2pzb24ifQ',
      signature: 'QwB1qIooOIYWy1XlBNBL4H6UkYnzYeFvpNuNwhvDIBce2XQX4YAIeNbMitq6S717AePXgQhr6OmfrkOiEjiACA',
    },
    {
      protected:
        'eyJhbGciOiJFUzI1NiIsImtpZCI6Il9kVzhBLUdMWFZxYlBQLXZJdk1Kd1lhdEVlV3VHS3UtbVB4STFabUlrVHMiLCJ0eXAiOiJjYXVzZXdheStqc29uIn0',
      signature: 'FVIiFKYwbDPtrY3zEa0skmjkanL2i2CONh4zAHJCyBd1JSBXjGgHWdanHHS19SAn5-UtTAAeJp8l-O4BPeF4-w',
    },
  ],
} as const;

/** What a margin call of a repo holds besides what every payload does: more collateral now, and with what goes back. */
export const EXAMPLE_MARGIN = {
  kind: 'settle',
  mode: 'gross',
  legs: [{ from: 'BKHKHKHHXXX', to: 'BKTHTHBKXXX', asset: 'HKGB2030', amount: '50' }],
  amends: {
    settlement: EXAMPLE_DIGEST,
    part: 2,
    replaces: [
      { from: 'BKTHTHBKXXX', to: 'BKHKHKHHXXX', asset: 'HKGB2030', amount: '1000' },
      { from: 'BKHKHKHHXXX', to: 'BKTHTHBKXXX', asset: 'HKD', amount: '980055.00' },
    ],
    legs: [
      { from: 'BKTHTHBKXXX', to: 'BKHKHKHHXXX', asset: 'HKGB2030', amount: '1050' },
      { from: 'BKHKHKHHXXX', to: 'BKTHTHBKXXX', asset: 'HKD', amount: '980055.00' },
    ],
  },
} as const;
