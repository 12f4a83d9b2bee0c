/** The person closed a picker or said no: the command ends without a word. */
export class Dismissed extends Error {}
